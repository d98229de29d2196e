"""One import: rows in, a line for each out, in the order of the rows, while the rest is still being read."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson

from command_api import write_tokens
from command_api.batch_writer import Answer, BatchWriter, Registered, Registration
from command_api.commands import RegisterUser
from command_api.event_log import EventLogUnavailable
from command_api.import_records import Record, Records
from command_api.import_rows import Interpreter
from command_api.problems import problem_of
from command_api.store import StoreUnavailable
from command_api.writer import Caller, Pending
from read_models.write_calls import Idempotency
from runtime import metrics
from runtime.observation import ClientGone
from runtime.problems import Problem

MOST_ROWS_IN_HAND: Final = 2048
MOST_BYTES_IN_HAND: Final = 8 * 1024 * 1024
MOST_ROWS_IN_BATCH: Final = 256
# Other requests wait for the turn of the event loop to end: this many rows take it 1 to 2 ms.
_ROWS_IN_TURN: Final = 32

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Row:
    number: int
    size: int
    line: bytes | None = None


class Import:
    """The rows of one import that are in hand: read, and not yet answered in their turn.

    There are at most `MOST_ROWS_IN_HAND`, so a client who does not take results is read no further. If Kafka or Redis
    cannot be used, the import stops: rows in hand have their lines, what follows them is not read, and a last line
    without `row` says why and where to go on (`next_row`).
    """

    def __init__(
        self,
        batches: BatchWriter,
        records: Records,
        interpret: Interpreter,
        caller: Caller,
        *,
        key: str | None,
        first_row: int,
        location: Callable[[str], str],
    ) -> None:
        """Prepare an import.

        Args:
            batches: carries out registrations.
            records: cuts the body.
            interpret: reads one record.
            caller: who asks.
            key: the idempotency key of the whole; each row's is made of it.
            first_row: the number of the first row.
            location: makes a URL of a path.
        """
        self._batches = batches
        self._records = records
        self._interpret = interpret
        self._caller = caller
        self._key = key
        self._next_row = first_row
        self._location = location
        self._rows: deque[_Row] = deque()
        self._bytes = 0
        self._position = 0
        self._batch: list[Registration] = []
        self._stopped: Problem | None = None
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._outcomes: Counter[str] = Counter()
        self._in_flight = self._landed = 0

    async def run(self, read: list[Record], chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Import the records that were read already and those of the chunks; give the lines."""
        self._batches.start(self._fail)
        reading = asyncio.create_task(self._read(read, chunks))
        try:
            while self._rows or not reading.done():
                await self._changed.wait()
                self._changed.clear()
                if self._failure is not None:
                    raise self._failure
                if lines := self._lines():
                    yield lines
                    self._room.set()
                if self._stopped is not None and not self._rows:
                    # It may be waiting for a client who waits for us.
                    reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()
            if self._stopped is not None:
                yield _line({"next_row": self._next_row, **self._stopped.document()})
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await self._batches.close()
            self._land(self._in_flight)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._changed.set()

    def _lines(self) -> bytes:
        """Take the lines of the first rows that have theirs, and count what came of rows since the last time."""
        lines = []
        while self._rows and (line := self._rows[0].line) is not None:
            self._bytes -= self._rows.popleft().size
            lines.append(line)
        for outcome, count in self._outcomes.items():
            metrics.WRITES.labels(RegisterUser.__name__, outcome).inc(count)
        self._outcomes.clear()
        self._land(self._landed)
        return b"".join(lines)

    def _land(self, count: int) -> None:
        self._in_flight -= count
        self._landed = 0
        metrics.WRITES_IN_FLIGHT.dec(count)

    async def _read(self, read: list[Record], chunks: AsyncIterator[bytes]) -> None:
        try:
            for record in read:
                await self._take(record)
            async for data in chunks:
                for record in self._records.feed(data):
                    await self._take(record)
                self._send_batch()
            for record in self._records.finish():
                await self._take(record)
        except _Stopped:
            pass
        except ClientGone:
            # What is left of the last row may look like a whole one.
            log.info("client of an import gone", extra={"next_row": self._next_row})
        except Problem as problem:
            self._stopped = problem
        finally:
            self._send_batch()
            self._changed.set()

    async def _take(self, record: Record) -> None:
        while self._rows and (len(self._rows) >= MOST_ROWS_IN_HAND or self._bytes >= MOST_BYTES_IN_HAND):
            self._send_batch()
            self._room.clear()
            await self._room.wait()
        if self._stopped is not None:
            raise _Stopped
        row = _Row(self._next_row, record.end - self._position)
        self._position = record.end
        self._next_row += 1
        self._bytes += row.size
        self._rows.append(row)
        try:
            asked = self._interpret(record)
        except Problem as problem:
            self._tell(row, problem)
            return
        caller = self._caller
        if self._key is not None:
            # A blank is in no client's key, so a row's key is never that of another request.
            caller = replace(caller, idempotency=Idempotency("", f"{self._key} {row.number}", asked.request_hash))
        command = RegisterUser(None, asked.fields)
        self._batch.append(Registration(command, caller, self._batches.until(), partial(self._answer, row)))
        if len(self._batch) >= MOST_ROWS_IN_BATCH:
            self._send_batch()
        if len(self._batch) % _ROWS_IN_TURN == 0:
            await asyncio.sleep(0)

    def _send_batch(self) -> None:
        if self._batch:
            self._in_flight += len(self._batch)
            metrics.WRITES_IN_FLIGHT.inc(len(self._batch))
            self._batches.write(self._batch)
            self._batch = []

    def _answer(self, row: _Row, answer: Answer) -> None:
        self._landed += 1
        self._tell(row, answer)

    def _tell(self, row: _Row, answer: Answer) -> None:
        outcome = "accepted"
        members: dict[str, Any]
        match answer:
            case Registered(user_id, version):
                members = {"status": 201, "id": user_id, "version": version}
            case Pending(event):
                outcome = "pending"
                location = self._location(f"/writes/{write_tokens.encode(event)}")
                members = {"status": 202, "id": event.user_id, "location": location}
            case _:
                problem = _problem(answer)
                outcome = "unavailable" if problem.status == 503 else "refused"
                members = problem.document()
                if isinstance(answer, EventLogUnavailable | StoreUnavailable):
                    self._stopped = problem
        row.line = _line({"row": row.number, **members})
        self._outcomes[outcome] += 1
        self._changed.set()


class _Stopped(Exception):
    """Nothing more is to be read."""


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    try:
        return problem_of(error)
    except Exception:
        log.exception("row failed")
        return Problem("internal-error", "The row failed for a reason that is not its own.")


def _line(members: dict[str, Any]) -> bytes:
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)
