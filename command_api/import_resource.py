"""The HTTP resource `/users/import`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, Final, cast

import falcon
import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field, RootModel

from command_api.batch_writer import BatchWriter
from command_api.examples import EXAMPLE_RESULTS
from command_api.import_records import Record, Records, records
from command_api.import_rows import MEDIA_TYPES, Header, read_line
from command_api.importing import Import
from command_api.resources import idempotency_key
from command_api.settings import CommandSettings
from command_api.writer import Caller
from runtime import context
from runtime.json_body import check_content_type
from runtime.observation import Request
from runtime.problems import FieldError, Problem

IMPORT_PATH: Final = "/users/import"
RESULT_TYPE: Final = "application/x-ndjson"
MOST_FIRST_ROW: Final = 10**12
_MOST_FAULTS: Final = 50
_LONGEST_NAME: Final = 64


class UserLines(RootModel[str]):
    """Lines of JSON, each what `POST /users` takes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                '{"email":"jo@example.org","display_name":"Jo"}\n{"email":"al@example.org","name":{"given":"Al"}}\n'
            ]
        }
    )


class UserRows(RootModel[str]):
    """CSV by RFC 4180, the first row names the columns."""

    model_config = ConfigDict(json_schema_extra={"examples": ["email,given,family\njo@example.org,Jo,Doe\n"]})


class ImportedRow(BaseModel):
    """What came of one row: `id` and `version` of the user, or the members of a problem document.

    The last line may be one without `row`: the import stopped early, and `next_row` is the first row that was not read.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": EXAMPLE_RESULTS})

    row: Annotated[int | None, Field(description="The row's number, from 1; blank rows have none")] = None
    status: Annotated[int, Field(description="The status that `POST /users` would have had: 201, 202, 400, 409, ...")]
    id: Annotated[str | None, Field(description="The user's id, of a 201 or 202")] = None
    version: Annotated[int | None, Field(description="The user's version, of a 201")] = None
    location: Annotated[str | None, Field(description="Where the outcome of a 202 can be read")] = None
    type: Annotated[str | None, Field(description="The kind of the problem; stable")] = None
    title: str | None = None
    detail: str | None = None
    instance: str | None = None
    errors: Annotated[
        list[dict[str, str]] | None, Field(description="One entry for each fault, with a JSON pointer into the user")
    ] = None
    next_row: Annotated[int | None, Field(description="Only in a last line without `row`")] = None


class Imports:
    """`/users/import`."""

    def __init__(
        self, settings: CommandSettings, batches: Callable[[], BatchWriter], location: Callable[[str], str]
    ) -> None:
        """Take what makes the writer of an import and the URL of a path."""
        self._batches = batches
        self._location = location
        self._row_bytes = settings.max_body_bytes
        self._most_bytes = settings.import_max_bytes
        self._idle_seconds = settings.import_idle_seconds
        self._most = settings.max_imports
        self._running = 0
        self._draining = False
        self._waiting: set[asyncio.Timeout] = set()

    def drain(self) -> None:
        """Read no further: the process is about to end, and no import should be cut off in the middle of a row."""
        if not self._draining:
            self._draining = True
            for patience in self._waiting:
                patience.reschedule(0)

    async def on_post(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Register the users of a file, and answer row by row while it is being read."""
        check_content_type(req, tuple(MEDIA_TYPES))
        form = MEDIA_TYPES[falcon.parse_header(req.content_type or "")[0].strip().lower()]
        key, first_row = idempotency_key(req), _first_row(req)
        if self._most_bytes is not None and (req.content_length or 0) > self._most_bytes:
            raise self._too_large(self._most_bytes)
        cut, chunks = records(form, self._row_bytes), self._chunks(req)
        interpret, read = partial(read_line, limit=self._row_bytes), list[Record]()
        if form == "csv":
            first, read = await _first_record(cut, chunks)
            interpret = partial(Header(first, self._row_bytes).read_row, limit=self._row_bytes)
        if self._running >= self._most:
            raise Problem("service-unavailable", "Too many imports are in hand. Nothing was changed; try again.")
        one = Import(
            self._batches(),
            cut,
            interpret,
            Caller(
                actor=context.actor.get() or None,
                correlation_id=context.request_id.get() or None,
                traceparent=context.ensure_traceparent(),
            ),
            key=key,
            first_row=first_row,
            location=self._location,
        )
        resp.content_type = RESULT_TYPE
        resp.set_header("Cache-Control", "no-store")
        # Proxies like to collect an answer before they pass it on.
        resp.set_header("X-Accel-Buffering", "no")
        resp.stream = cast("AsyncIterator[bytes]", _Answer(self._counted(one.run(read, chunks))))

    async def _counted(self, lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._running += 1
        try:
            async with aclosing(lines):
                async for some in lines:
                    yield some
        finally:
            self._running -= 1

    async def _chunks(self, req: Request) -> AsyncIterator[bytes]:
        """Give the body as it arrives.

        Raises:
            ClientGone: see there.
            Problem: the body is too large, the client too slow, or the process about to end.
        """
        size, more = 0, True
        while more:
            data, more = await self._receive(req)
            size += len(data)
            if self._most_bytes is not None and size > self._most_bytes:
                raise self._too_large(self._most_bytes)
            yield data

    async def _receive(self, req: Request) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(self._idle_seconds) as patience:
                self._waiting.add(patience)
                try:
                    # What has arrived comes without a wait, which the end of patience could not interrupt.
                    if not self._draining:
                        return await req.receive_body()
                finally:
                    self._waiting.discard(patience)
        except TimeoutError:
            if not self._draining:
                detail = f"Nothing was sent for {self._idle_seconds:g} seconds. Go on with the next row."
                raise Problem("request-timeout", detail) from None
        raise Problem("service-unavailable", "This process is about to end. Go on with the next row.")

    def _too_large(self, limit: int) -> Problem:
        return Problem("body-too-large", f"The body of an import must have at most {limit} bytes.")


class _Answer:
    """A stream that falcon closes; an asynchronous generator it would leave to the garbage collector."""

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        self._lines = lines

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._lines

    async def close(self) -> None:
        await self._lines.aclose()


async def _first_record(cut: Records, chunks: AsyncIterator[bytes]) -> tuple[Record, list[Record]]:
    """Read until there is a record; return it, and those that came with it.

    Raises:
        Problem: there is none.
    """
    async for data in chunks:
        if found := list(cut.feed(data)):
            return found[0], found[1:]
    for found_last in cut.finish():
        return found_last, []
    raise Problem("malformed-csv", "The body has no first row that names the columns.")


def _first_row(req: falcon.asgi.Request) -> int:
    # An unknown parameter is refused: with a misspelled one each row would take the key, and the outcome, of another.
    faults = [
        FieldError("", "unknown parameter; there is first_row", parameter=name[:_LONGEST_NAME])
        for name in list(req.params)[:_MOST_FAULTS]
        if name != "first_row"
    ]
    text: Any = req.params.get("first_row", "1")
    if not (
        isinstance(text, str)
        and text.isascii()
        and text.isdecimal()
        and len(text) <= len(str(MOST_FIRST_ROW))
        and 1 <= int(text) <= MOST_FIRST_ROW
    ):
        detail = f"must be given once, a whole number from 1 to {MOST_FIRST_ROW}"
        faults.append(FieldError("", detail, parameter="first_row"))
    if faults:
        raise Problem("invalid-parameter", "The query names something else than a row to begin with.", errors=faults)
    return int(text)
