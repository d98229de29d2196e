"""The change feed under load, on a stack of its own: Kafka, Redis and the product's processes.

    python -m benchmarks.change_feed                      followers who are cut off, while Redis is wiped once
    python -m benchmarks.change_feed --clients 1000       many clients of one process

The exit status is 1 if a follower did not see each accepted change once and in order, or a client not every one.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from redis import Redis

from benchmarks import change_feed_check
from benchmarks.change_crowd import Crowd
from benchmarks.change_writing import write
from benchmarks.patient_client import Trouble
from benchmarks.process_usage import processor_seconds, resident_mb
from devstack import servers
from devstack.table import AppProcess
from tests.e2e.log_reader import user_logs
from tests.e2e.processes import another
from tests.stack import Stack, running_stack

_SPACED_WRITES = 100
_SPACE_SECONDS = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.change_feed", description=__doc__.split("\n\n")[0])
    parser.add_argument("--writes", type=int, help="default: 50,000, with --clients 2,000")
    parser.add_argument("--cuts", type=int, default=100, help="how often each follower is cut off (default: 100)")
    parser.add_argument("--clients", type=int, help="measure that many clients of one process instead")
    parser.add_argument("--writers", type=int, default=32, help="how many write at once (default: 32)")
    asked = parser.parse_args(arguments)
    with _stack() as (stack, redis_url, directory):
        if asked.clients:
            return uvloop.run(_crowd(stack, asked.clients, asked.writes or 2000, asked.writers))
        return _follow(stack, redis_url, directory, asked.writes or 50_000, asked.cuts, asked.writers)


@contextmanager
def _stack() -> Iterator[tuple[Stack, str, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="change-feed-") as home,
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, Path(home), ACCESS_LOG="false", LOG_LEVEL="warning") as stack,
    ):
        yield stack, redis.url, Path(home)


def _follow(stack: Stack, redis_url: str, directory: Path, writes: int, cuts: int, writers: int) -> int:
    def wipe() -> None:
        with Redis.from_url(redis_url) as client:
            client.flushall()
        print("Redis is wiped")

    started = time.monotonic()
    with another(stack, "query-api", directory) as second:
        found = change_feed_check.run(
            stack.command_url,
            [stack.query_url, second.url],
            lambda: {user: [event.id for event in log.accepted] for user, log in user_logs(stack).items()},
            wipe,
            writes=writes,
            cuts=cuts,
            writers=writers,
        )
    print(f"in {time.monotonic() - started:.0f} s: {'all hold' if all(f.hold for f in found) else 'NOT ALL HOLD'}")
    return 0 if all(findings.hold for findings in found) else 1


async def _crowd(stack: Stack, clients: int, writes: int, writers: int) -> int:
    crowd = Crowd(stack.query_url)
    started = time.monotonic()
    await crowd.connect(clients)
    worker = _worker(stack.query_api)
    memory = resident_mb(worker)
    print(f"{clients:,} clients connected in {time.monotonic() - started:.2f} s; {memory:.0f} MiB in the process")
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    for number in range(1, _SPACED_WRITES + 1):
        await _write(stack, 1, 1)
        acknowledged = loop.time()
        await crowd.until_all_have(number)
        delays.append((loop.time() - acknowledged) * 1000)
        await asyncio.sleep(_SPACE_SECONDS)
    delays.sort()
    print(
        f"one change at a time: the last client has it {statistics.median(delays):.0f} ms after the writer's answer "
        f"(p99 {delays[-1 - len(delays) // 100]:.0f} ms)"
    )
    used, started = processor_seconds(worker), time.monotonic()
    await _write(stack, writes, writers)
    written = time.monotonic() - started
    await crowd.until_all_have(_SPACED_WRITES + writes)
    seconds = time.monotonic() - started
    busy = (processor_seconds(worker) - used) / seconds
    counts = crowd.counts()
    print(
        f"{writes:,} writes in {written:.1f} s; all clients have them after {seconds:.1f} s: "
        f"{writes * clients / seconds:,.0f} changes/s sent, {busy:.0%} of a core, "
        f"{resident_mb(worker):.0f} MiB; clients that lost their connection: {crowd.broken}"
    )
    crowd.close()
    return 0 if counts == {_SPACED_WRITES + writes} and not crowd.broken else 1


async def _write(stack: Stack, writes: int, writers: int) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def run() -> None:
        write(stack.command_url, writes=writes, writers=writers, trouble=Trouble(), on_write=lambda _: None)
        loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, daemon=True).start()
    await done.wait()


def _worker(process: AppProcess) -> int:
    (pid,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    return pid


if __name__ == "__main__":
    sys.exit(main())
