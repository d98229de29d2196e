"""From the bytes of a file to its records, one line of NDJSON or one row of CSV each, as the bytes arrive.

The command API and `python -m command_api import` both cut files here, so both count the same records. A record without
any text is none: it has no number.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What the standard library says of it is not what whoever made the file has to look for.
_IN_PLAIN_WORDS: Final = {"unexpected end of data": "a cell begins with a quote and has no end"}

Format = Literal["ndjson", "csv"]
Fault = Literal["too-large", "not-utf-8", "not-csv"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its bytes (NDJSON) or cells (CSV), or what is wrong with it.

    `end` is where the record ends in the file, its line ending included; `detail` explains a fault where there is more
    to say.
    """

    content: bytes | Sequence[str]
    end: int
    fault: Fault | None = None
    detail: str = ""


class Records(Protocol):
    """Cuts one file; a record is never larger than the limit, and neither is what is kept of an unfinished one."""

    def feed(self, data: bytes) -> Iterator[Record]:
        """Take the next bytes; give the records that they complete."""

    def finish(self) -> Iterator[Record]:
        """Give the last record, if no line ending follows it."""


def records(form: Format, limit: int) -> Records:
    """Make what cuts a file of this form; `limit` is the most bytes that a record may have."""
    return _Lines(limit) if form == "ndjson" else _Rows(limit)


class _Lines:
    """NDJSON: whatever stands between two line feeds."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._position = 0
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[Record]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._record(line, len(line) + 1)
        if len(self._rest) > self._limit:
            # Its end is still to come; until then nothing of it is worth keeping.
            self._position += len(self._rest)
            self._rest, self._skipping = b"", True

    def finish(self) -> Iterator[Record]:
        if self._rest or self._skipping:
            yield from self._record(self._rest, len(self._rest))
        self._rest = b""

    def _record(self, line: bytes, length: int) -> Iterator[Record]:
        if self._position == 0:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        self._position += length
        if self._skipping or len(line) > self._limit:
            self._skipping = False
            yield Record(b"", self._position, "too-large")
        elif line := line.strip(b" \t\r"):
            yield Record(line, self._position)


class _NotYet(Exception):
    """The rest of the row has not arrived."""


class _Rows:
    """CSV by RFC 4180: the standard library's reader, which gets a line whenever it wants one.

    A row whose last line has not arrived makes the reader stop half-way; it is read anew once there is more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[bytes] = []
        self._next = 0
        self._rest = b""
        self._position = 0
        self._finished = False
        self._skipping = False
        self._quoted = False
        self._decodable = True
        self._reader = csv.reader(iter(self._take, None), strict=True)

    def feed(self, data: bytes) -> Iterator[Record]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines += [line + b"\n" for line in lines]
        yield from self._rows()
        if self._skipping or self._size() > self._limit:
            yield from self._skip()

    def finish(self) -> Iterator[Record]:
        self._finished = True
        if self._rest:
            self._lines.append(self._rest)
            self._rest = b""
        if self._skipping:
            yield from self._skip()
        yield from self._rows()
        if self._skipping:
            yield Record((), self._position, "too-large")

    def _take(self) -> str | None:
        """Give the reader its next line; None ends its file."""
        if self._next == len(self._lines):
            if self._finished:
                return None
            raise _NotYet
        line = self._lines[self._next]
        if self._position == 0 and self._next == 0:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        self._next += 1
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._decodable = False
            return line.decode(errors="replace")

    def _rows(self) -> Iterator[Record]:
        while not self._skipping:
            self._decodable = True
            try:
                cells, fault, detail = next(self._reader), None, ""
            except (_NotYet, StopIteration):
                self._next = 0
                return
            except csv.Error as error:
                cells, fault, detail = [], "not-csv", _IN_PLAIN_WORDS.get(str(error), str(error))
            size = self._consume()
            if size > self._limit:
                yield Record((), self._position, "too-large")
            elif not self._decodable:
                yield Record((), self._position, "not-utf-8")
            elif fault is not None:
                yield Record((), self._position, "not-csv", detail)
            elif any(cell and not cell.isspace() for cell in cells):
                yield Record(cells, self._position)

    def _consume(self) -> int:
        size = sum(map(len, self._lines[: self._next]))
        del self._lines[: self._next]
        self._next = 0
        self._position += size
        return size

    def _size(self) -> int:
        return sum(map(len, self._lines)) + len(self._rest)

    def _skip(self) -> Iterator[Record]:
        """Drop the lines of a row that is too large; it ends with the first line end outside of quotes."""
        if not self._skipping:
            self._skipping, self._quoted = True, False
        while self._lines:
            line = self._lines.pop(0)
            self._position += len(line)
            self._quoted ^= line.count(b'"') % 2 == 1
            if not self._quoted and line.endswith(b"\n"):
                self._skipping = False
                yield Record((), self._position, "too-large")
                yield from self._rows()
                return
        self._position += len(self._rest)
        self._quoted ^= self._rest.count(b'"') % 2 == 1
        self._rest = b""
