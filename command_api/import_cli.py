"""`python -m command_api import FILE`: register the users of a file, and go on after whatever interrupts it."""

import argparse
import asyncio
import random
import re
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from command_api.import_client import ConnectionBroken, exchange
from command_api.import_meter import Meter
from command_api.import_progress import CannotImport, ImportFile, results_path
from command_api.import_records import Format, records
from command_api.import_rows import MEDIA_TYPES
from command_api.settings import CommandSettings
from runtime.problem_types import PROBLEM_TYPES, TYPE_PREFIX
from runtime.settings import load

DONE, SOME_REFUSED, NOT_DONE = 0, 1, 2

_CHECKPOINT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 60.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
_PART_BYTES: Final = 64 * 1024
_SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_REGISTERED: Final = "registered"


class _NotNow(Exception):
    """The service cannot go on at the moment; the message says why."""


class Importer:
    """Sends the rows that have no result yet, as often as it takes."""

    def __init__(self, file: ImportFile, url: str, row_bytes: int, meter: Meter) -> None:
        self._file = file
        self._url = url.rstrip("/") + "/users/import"
        self._row_bytes = row_bytes
        self._meter = meter
        self._ends: deque[int] = deque()
        self._sent_all = False
        self._rest = b""
        self._checked_at = 0.0

    async def run(self, patience_seconds: float) -> None:
        """Import until every row has a final result.

        Raises:
            CannotImport: the service refuses the file, or nothing has gone on for as long as the patience lasts.
        """
        pause, moved_at = _FIRST_PAUSE_SECONDS, time.monotonic()
        while True:
            row = self._file.progress.row
            try:
                await self._attempt()
            except (ConnectionBroken, _NotNow) as error:
                reason = str(error)
            else:
                return
            finally:
                self._file.checkpoint()
            if self._file.progress.row > row:
                pause, moved_at = _FIRST_PAUSE_SECONDS, time.monotonic()
            elif time.monotonic() - moved_at > patience_seconds:
                raise CannotImport(f"{reason}; nothing moved for {patience_seconds:g} s: run the same command to go on")
            self._meter.say(f"{reason}: trying again")
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _attempt(self) -> None:
        progress = self._file.progress
        headers = {
            "Content-Type": next(name for name, form in MEDIA_TYPES.items() if form == progress.form),
            "Idempotency-Key": progress.key,
        }
        self._ends.clear()
        self._sent_all, self._rest = False, b""
        url = f"{self._url}?first_row={progress.row}"
        status = await exchange(url, headers, self._parts(), self._take, idle_seconds=_IDLE_SECONDS)
        if status != 200:
            self._refused(status)
        if self._ends or not self._sent_all:
            raise _NotNow("the server ended its answer early")

    def _parts(self) -> Iterator[bytes]:
        """Give the body, and note where each of its rows ends."""
        if self._file.header:
            yield self._file.header
        source, start = self._file.rest(), self._file.progress.offset
        cut = records(self._file.progress.form, self._row_bytes)
        while data := source.read(_PART_BYTES):
            self._ends.extend(start + record.end for record in cut.feed(data))
            yield data
        self._ends.extend(start + record.end for record in cut.finish())
        self._sent_all = True

    def _take(self, status: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if status != 200:
            self._rest = b"\n".join([*lines, self._rest])
            return
        for line in lines:
            self._result(line)
        if time.monotonic() >= self._checked_at + _CHECKPOINT_SECONDS:
            self._file.checkpoint()
            self._checked_at = time.monotonic()
        self._meter.show(self._file.progress)

    def _result(self, line: bytes) -> None:
        result: dict[str, Any] = orjson.loads(line)
        status = result["status"]
        # Also a row whose outcome is not known yet: asked again under its key, it is told the first one's outcome.
        if "row" not in result or status == 202 or status >= 500:
            raise _NotNow(result.get("detail") or f"row {result['row']} is still pending")
        if result["row"] != self._file.progress.row or not self._ends:
            raise CannotImport(
                f"row {self._file.progress.row} was answered as row {result['row']}: is MAX_BODY_BYTES the server's?"
            )
        outcome = _REGISTERED if status == 201 else result["type"].removeprefix(TYPE_PREFIX)
        self._file.done(line + b"\n", outcome, self._ends.popleft())

    def _refused(self, status: int) -> None:
        try:
            problem = orjson.loads(self._rest)
            reason = " ".join([problem["detail"], *(error["detail"] for error in problem.get("errors", []))])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            reason = f"the server answers {status}"
        raise _NotNow(reason) if status >= 500 else CannotImport(f"the service refuses the file: {reason}")


def main(arguments: Sequence[str]) -> int:
    """Import one file; return the exit status: 0 all registered, 1 some rows were refused, 2 it cannot be done now."""
    settings = load(CommandSettings)
    default_url = f"http://{settings.command_api_host}:{settings.command_api_port}"
    parser = argparse.ArgumentParser(prog="python -m command_api import", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default=default_url, help="the command API (default: %(default)s)")
    parser.add_argument("--key", type=_key, help="idempotency key (default: made of the file's content)")
    parser.add_argument("--format", choices=sorted(set(_SUFFIXES.values())), help="default: by the file's name")
    parser.add_argument("--patience", type=float, default=300, help="seconds without progress to give up after (300)")
    asked = parser.parse_args(arguments)
    form = asked.format or _SUFFIXES.get(asked.file.suffix)
    if form is None:
        parser.error("--format is needed: the file's name says nothing")
    try:
        file = ImportFile.open(asked.file, form, asked.key, settings.max_body_bytes)
        meter = Meter(sys.stderr, file.progress)
        try:
            asyncio.run(Importer(file, asked.url, settings.max_body_bytes, meter).run(asked.patience))
        finally:
            meter.end()
    except CannotImport as error:
        print(f"import: {error}", file=sys.stderr)
        return NOT_DONE
    outcomes = file.progress.outcomes
    file.finish()
    print(f"{outcomes.total():,} rows; results in {results_path(asked.file)}")
    for outcome, count in outcomes.most_common():
        meaning = outcome if outcome == _REGISTERED else f"refused: {PROBLEM_TYPES[outcome].title} ({outcome})"
        print(f"{count:>12,} {meaning}")
    return DONE if outcomes.keys() <= {_REGISTERED} else SOME_REFUSED


def _key(text: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]{1,255}", text) is None:
        raise argparse.ArgumentTypeError("must be 1 to 255 visible ASCII characters")
    return text
