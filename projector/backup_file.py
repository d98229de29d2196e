"""A backup: a header, what counts of the log, a trailer; a line of JSON each, compressed where the name ends in `.gz`.

docs/data-formats.md has the shapes. Whoever reads one knows only at the trailer that it is whole.
"""

import gzip
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

from projector.accepted_events import Kept, user_of
from read_models.ids import raw_id
from user_directory_events import EventsDiscarded, Undecodable, UnknownSchema, UserErased, UserEvent, decode, encode

FORMAT: Final = "user-directory-backup/1"

_EVENT: Final = re.compile(rb'\{"recorded":(\d{1,15}),"event":(\{.*\})\}\n')


class BadBackup(Exception):
    """The file is no whole backup; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """Which log it was, and behind which offset of each partition the backup ends."""

    log_id: str
    time: str
    positions: Mapping[str, int]
    format: str = FORMAT


@dataclass(frozen=True, slots=True)
class Trailer:
    """How much there is, and the SHA-256 of all lines before this one."""

    events: int
    discards: int
    users: int
    sha256: str


class BackupWriter:
    """Writes a backup line by line."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._out = out
        self._digest = sha256()
        self._users: set[bytes] = set()
        self._events = self._discards = 0
        self._write(orjson.dumps(asdict(header)) + b"\n")

    def add(self, kept: Kept) -> None:
        """Write one record."""
        record, timestamp = kept
        self._users.add(raw_id(user_of(record)))
        if isinstance(record, UserEvent):
            self._events += 1
        else:
            self._discards += 1
        self._write(b'{"recorded":%d,"event":%b}\n' % (timestamp, encode(record)[1]))

    def finish(self) -> Trailer:
        """Write the trailer."""
        trailer = Trailer(self._events, self._discards, len(self._users), self._digest.hexdigest())
        self._out.write(orjson.dumps(asdict(trailer)) + b"\n")
        return trailer

    def _write(self, line: bytes) -> None:
        self._digest.update(line)
        self._out.write(line)


class BackupReader:
    """Reads a backup; the file must be one that can be read again from its beginning."""

    def __init__(self, file: IO[bytes], *, compressed: bool) -> None:
        self._file = file
        self._compressed = compressed

    def verify(self) -> tuple[Header, Trailer]:
        """Read the whole file; return what it says about itself once all of it is found to be true.

        Raises:
            BadBackup: see there.
        """
        digest, versions, events, discards = sha256(), dict[bytes, int](), 0, 0
        lines = self._lines()
        header = _as_header(next(lines, b""))
        digest.update(self._first_line)
        last: bytes = b""
        for line in lines:
            if last:
                record, _ = _as_record(last, events + discards + 1)
                _follow(versions, record)
                digest.update(last)
                if isinstance(record, UserEvent):
                    events += 1
                else:
                    discards += 1
            last = line
        trailer = _as_trailer(last)
        if Trailer(events, discards, len(versions), digest.hexdigest()) != trailer:
            raise BadBackup(
                f"it is damaged: {events:,} events of {len(versions):,} users, "
                f"the trailer says {trailer.events:,} of {trailer.users:,}, or the checksum differs"
            )
        return header, trailer

    def records(self) -> Iterator[Kept]:
        """Read the records of a file that was found to be whole."""
        lines = self._lines()
        next(lines)
        last = next(lines)
        for number, line in enumerate(lines, 1):
            yield _as_record(last, number)
            last = line

    def _lines(self) -> Iterator[bytes]:
        self._file.seek(0)
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=self._file)) if self._compressed else self._file
        try:
            for number, line in enumerate(source):
                if number == 0:
                    self._first_line = line
                yield line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadBackup(f"it cannot be decompressed: {error}") from None

    _first_line = b""


@contextmanager
def created(path: str) -> Iterator[IO[bytes]]:
    """Open a file for a backup, `-`: standard output; it has its name only once it is whole.

    Raises:
        BadBackup: it cannot be made.
    """
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.exists():
        raise BadBackup("it exists already: name another file")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        with unfinished.open("wb") as raw:
            if target.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as out:
                    yield cast("IO[bytes]", out)
            else:
                yield raw
        unfinished.rename(target)
    except OSError as error:
        raise BadBackup(str(error.strerror)) from error


def is_compressed(file: IO[bytes]) -> bool:
    """Say whether a file is compressed, by its first bytes; it is left at its beginning."""
    magic = file.read(2)
    file.seek(0)
    return magic == b"\x1f\x8b"


def _follow(versions: dict[bytes, int], event: UserEvent | EventsDiscarded) -> None:
    user = raw_id(user_of(event))
    version = versions.get(user, 0)
    if isinstance(event, EventsDiscarded):
        if version == 0:
            raise BadBackup(f"decision {event.id} is about nobody")
        return
    follows = event.sequence > version if isinstance(event, UserErased) else event.sequence == version + 1
    if not follows:
        raise BadBackup(f"event {event.id} does not follow version {version} of its user")
    versions[user] = event.sequence


def _as_header(line: bytes) -> Header:
    value = _parsed(line)
    if value is None or value.get("format") != FORMAT:
        raise BadBackup(f"its first line is no header of format {FORMAT}")
    try:
        return Header(**value)
    except TypeError:
        raise BadBackup("its header is damaged") from None


def _as_trailer(line: bytes) -> Trailer:
    value = _parsed(line)
    if value is None or not line.endswith(b"\n") or value.keys() != {"events", "discards", "users", "sha256"}:
        raise BadBackup("its trailer is missing: it was cut off, or its making was interrupted")
    return Trailer(**value)


def _as_record(line: bytes, number: int) -> Kept:
    # Not parsed as a whole: the event is decoded as the log's reader decodes it, from the very bytes.
    match = _EVENT.fullmatch(line)
    if match is None:
        raise BadBackup(f"event {number} is damaged")
    try:
        event = decode(match[2])
    except UnknownSchema as error:
        raise BadBackup(f"event {number} is of a newer release: {error}") from error
    except Undecodable as error:
        raise BadBackup(f"event {number} is damaged") from error
    if not isinstance(event, UserEvent | EventsDiscarded):
        raise BadBackup(f"event {number} is none of a user")
    return event, int(match[1])


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def opened(path: str, spool: IO[bytes]) -> BackupReader:
    """Open a backup for reading; `-` is standard input, which is copied to `spool` first, as it is read twice.

    Raises:
        BadBackup: there is no such file.
    """
    if path == "-":
        while data := sys.stdin.buffer.read(1 << 20):
            spool.write(data)
        spool.seek(0)
        return BackupReader(spool, compressed=is_compressed(spool))
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - open until the process ends
    except OSError as error:
        raise BadBackup(str(error.strerror)) from None
    return BackupReader(file, compressed=is_compressed(file))
