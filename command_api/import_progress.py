"""How far the import of a file is, on disk: its results, and where it goes on after whatever ended it."""

import fcntl
import json
import os
from collections import Counter
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, Self

from command_api.import_records import Format, records

_HASHED_AT_ONCE: Final = 1024 * 1024
_READ_AT_ONCE: Final = 64 * 1024


class CannotImport(Exception):
    """The import cannot begin or go on; the message is one line that says what to do."""


@dataclass(slots=True)
class Progress:
    """What is done: the rows before `row` end at `offset` in the file, their results at `results_bytes` in theirs."""

    key: str
    form: Format
    size: int
    modified_ns: int
    header_bytes: int
    row: int
    offset: int
    results_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class ImportFile:
    """A file that is being imported, with its results (`FILE.results.ndjson`) and progress (`FILE.import-state`)."""

    def __init__(self, path: Path, source: IO[bytes], results: IO[bytes], progress: Progress) -> None:
        self.path = path
        self.progress = progress
        self._source = source
        self._results = results
        self.header = self._part(0, progress.header_bytes)

    @classmethod
    def open(cls, path: Path, form: Format, key: str | None, row_bytes: int) -> Self:
        """Open a file where its import left off, or at its beginning.

        Args:
            path: the file.
            form: what it is.
            key: the idempotency key of the import; None: made of the file's content.
            row_bytes: the most bytes that a row may have.

        Raises:
            CannotImport: there is no such file, or it is not the one whose import was begun.
        """
        try:
            source = path.open("rb")
            results = results_path(path).open("ab")
            fcntl.flock(results, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotImport(f"{path} is being imported by another process: let it end") from None
        except OSError as error:
            raise CannotImport(f"{error.filename}: {error.strerror}") from None
        progress = _read_state(path) or _begin(source, form, key, row_bytes)
        now = os.fstat(source.fileno())
        if (progress.size, progress.modified_ns, progress.form) != (now.st_size, now.st_mtime_ns, form):
            raise CannotImport(
                f"{path} is not what it was when its import began: delete {_state_path(path)} to begin anew"
            )
        if key is not None and key != progress.key:
            raise CannotImport(f"the import was begun with another key: delete {_state_path(path)} to begin anew")
        # What was written after the last checkpoint is asked for again.
        results.truncate(progress.results_bytes)
        return cls(path, source, results, progress)

    def rest(self) -> IO[bytes]:
        """Return the file, at the first row that has no result."""
        self._source.seek(self.progress.offset)
        return self._source

    def done(self, line: bytes, outcome: str, offset: int) -> None:
        """Keep the result of the next row, which ends at an offset."""
        progress = self.progress
        self._results.write(line)
        progress.results_bytes += len(line)
        progress.outcomes[outcome] += 1
        progress.row += 1
        progress.offset = offset

    def checkpoint(self) -> None:
        """Put on disk what is done: first the results, then that they are there."""
        self._results.flush()
        os.fsync(self._results.fileno())
        state = _state_path(self.path)
        fresh = state.with_name(state.name + ".new")
        with fresh.open("w") as file:
            json.dump({one.name: getattr(self.progress, one.name) for one in fields(self.progress)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(state)

    def finish(self) -> None:
        """Close; the import has come to its end, and the next one begins anew."""
        self.checkpoint()
        self.close()
        _state_path(self.path).unlink()

    def close(self) -> None:
        """Close the files."""
        self._source.close()
        self._results.close()

    def _part(self, start: int, end: int) -> bytes:
        self._source.seek(start)
        return self._source.read(end - start)


def results_path(path: Path) -> Path:
    """Return where the results of a file go."""
    return path.with_name(path.name + ".results.ndjson")


def _state_path(path: Path) -> Path:
    return path.with_name(path.name + ".import-state")


def _read_state(path: Path) -> Progress | None:
    try:
        found: dict[str, Any] = json.loads(_state_path(path).read_text())
        progress = Progress(**found | {"outcomes": Counter(found["outcomes"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise CannotImport(f"{_state_path(path)} cannot be read: delete it to begin anew") from None
    return progress if progress.row > 1 else None


def _begin(source: IO[bytes], form: Format, key: str | None, row_bytes: int) -> Progress:
    if key is None:
        digest = blake2b(digest_size=16)
        while data := source.read(_HASHED_AT_ONCE):
            digest.update(data)
        key = f"file-{digest.hexdigest()}"
    header = _header_bytes(source, row_bytes) if form == "csv" else 0
    status = os.fstat(source.fileno())
    return Progress(key, form, status.st_size, status.st_mtime_ns, header, row=1, offset=header)


def _header_bytes(source: IO[bytes], row_bytes: int) -> int:
    source.seek(0)
    cut = records("csv", row_bytes)
    while data := source.read(_READ_AT_ONCE):
        for record in cut.feed(data):
            return record.end
    return source.tell()
