"""How much faster an import is than single requests: `python -m benchmarks.import_rate [--rounds 5] [--rows 20000]`.

Both register the same kind of users at the same running stack, in turns, and count what was answered 201: in Kafka,
applied, visible and unique. Single requests come over 1, 32 and 128 connections; the import is one request. With
`--url` a stack that runs already is measured.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import uvloop

from benchmarks.load import http_request, run_load
from benchmarks.services import directory
from command_api.import_client import exchange

CONNECTIONS = (1, 32, 128)
_PART_BYTES = 64 * 1024
_IDLE_SECONDS = 60


@contextmanager
def _stack(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
        return
    with TemporaryDirectory() as workspace, directory(Path(workspace), pinned=False) as side:
        yield f"http://127.0.0.1:{side.writes}"


def _bodies() -> Callable[[], bytes]:
    prefix, numbers = uuid.uuid4().hex[:12], itertools.count()

    def make() -> bytes:
        body = {"email": f"{prefix}-{next(numbers)}@example.org", "display_name": "Ada Lovelace"}
        return json.dumps(body, separators=(",", ":")).encode()

    return make


async def single_rate(url: str, connections: int, seconds: float) -> float:
    """Return the rate of single requests.

    Raises:
        SystemExit: one was answered otherwise than it should be.
    """
    body, where = _bodies(), urlsplit(url)
    result = await run_load(
        where.hostname or "",
        where.port or 80,
        lambda: http_request("POST", "/users", body=body()),
        connections=connections,
        seconds=seconds,
    )
    if set(result.statuses) != {201}:
        raise SystemExit(f"single requests were answered {result.statuses}")
    return result.rate


async def import_rate(url: str, rows: int) -> float:
    """Return the rate of one import, from its first byte to its last result.

    Raises:
        SystemExit: a row was not registered.
    """
    make = _bodies()
    file = b"".join(make() + b"\n" for _ in range(rows))
    parts = (file[start : start + _PART_BYTES] for start in range(0, len(file), _PART_BYTES))
    results: list[bytes] = []
    started = time.perf_counter()
    await exchange(
        f"{url}/users/import",
        {"Content-Type": "application/x-ndjson"},
        parts,
        lambda _, data: results.append(data),
        idle_seconds=_IDLE_SECONDS,
    )
    elapsed = time.perf_counter() - started
    if (registered := b"".join(results).count(b'"status":201')) != rows:
        raise SystemExit(f"{registered} of {rows} rows were registered")
    return rows / elapsed


async def measure(url: str, rounds: int, rows: int, seconds: float) -> dict[str, list[float]]:
    """Measure in turns, so that whatever else the machine does meets both."""
    await import_rate(url, rows)
    rates: dict[str, list[float]] = {}
    for turn in range(rounds):
        for connections in CONNECTIONS:
            rates.setdefault(f"single, {connections} conn.", []).append(await single_rate(url, connections, seconds))
            rates.setdefault(f"import beside {connections}", []).append(await import_rate(url, rows))
        print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--url", help="a command API that runs already")
    arguments = parser.parse_args()
    with _stack(arguments.url) as url:
        loop: asyncio.Runner
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            rates = loop.run(measure(url, arguments.rounds, arguments.rows, arguments.seconds))
    load = os.getloadavg()[1]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}")
    print(f"{'':18}{'single /s':>12}{'import /s':>12}{'ratio':>8}{'of each round':>20}")
    for connections in CONNECTIONS:
        single, batch = rates[f"single, {connections} conn."], rates[f"import beside {connections}"]
        ratios = sorted(b / s for s, b in zip(single, batch, strict=True))
        print(
            f"{f'{connections} connections':18}{statistics.median(single):12,.0f}{statistics.median(batch):12,.0f}"
            f"{statistics.median(ratios):8.1f}{f'{ratios[0]:.1f} to {ratios[-1]:.1f}':>20}"
        )


if __name__ == "__main__":
    main()
