"""How fast a rebuild is, and what it takes: `python -m benchmarks.rebuild [--events 1000000] [--rate 50]`.

A log of that many events is written, and projected; then a rebuild fills a second generation while clients read and
write. Printed as it is known: events a second of the fill, its ratio to plain kafka-python polling of the same log in
the same run, what the clients were answered, and the memory of rebuild and projector at a tenth and at the end.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvloop
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from benchmarks.load import LoadResult, http_request, run_load
from benchmarks.made_up_log import write_log
from benchmarks.process_usage import resident_mb
from devstack import servers
from devstack.table import APPS, DEFAULTS, AppProcess
from projector.settings import ProjectorSettings
from runtime.settings import load
from user_directory_events import new_event_id

_PARTITIONS = 4
_TOPIC = "user-events"
_PATIENCE_SECONDS = 3600


@dataclass
class Directory:
    """The product's processes on a Kafka and a Redis of their own."""

    environ: dict[str, str]
    redis_url: str
    processes: dict[str, AppProcess] = field(default_factory=dict)

    def command(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command of the projector."""
        return subprocess.Popen(
            [sys.executable, "-m", "projector", *arguments], env=self.environ, stdin=subprocess.PIPE
        )

    def positions(self, redis: "Redis", generation: int) -> int:
        """Return the sum of the positions of a generation."""
        values: list[bytes | None] = redis.mget(  # type: ignore[assignment]
            [f"user-directory:{generation}:partition:{p}" for p in range(_PARTITIONS)]
        )
        return sum(int(value.split()[0]) for value in values if value)


@contextmanager
def _directory(workspace: Path) -> Iterator[Directory]:
    with servers.kafka() as kafka, servers.redis() as redis:
        ports = {f"{app.prefix}_PORT": str(servers.free_port()) for app in APPS}
        environ = (
            os.environ
            | DEFAULTS
            | ports
            | {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
                "REDIS_URL": redis.url,
                "KAFKA_PARTITIONS": str(_PARTITIONS),
                "ACCESS_LOG": "false",
            }
        )
        directory = Directory(environ, redis.url)
        for app in APPS:
            directory.processes[app.name] = AppProcess(app, workspace / f"{app.name}.log", environ)
        try:
            yield directory
        finally:
            for process in directory.processes.values():
                process.stop()


def _polling_rate(directory: Directory) -> float:
    consumer = KafkaConsumer(
        bootstrap_servers=directory.environ["KAFKA_BOOTSTRAP_SERVERS"], enable_auto_commit=False, max_poll_records=500
    )
    partitions = [TopicPartition(_TOPIC, partition) for partition in range(_PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    whole = sum(consumer.end_offsets(partitions).values())
    started, seen = time.perf_counter(), 0
    while seen < whole:
        seen += sum(map(len, consumer.poll(timeout_ms=1000).values()))
    elapsed = time.perf_counter() - started
    consumer.close()
    return seen / elapsed


class _Clients(threading.Thread):
    """Readers and writers at a steady rate, until `end`."""

    def __init__(self, directory: Directory, rate: float) -> None:
        super().__init__()
        self._directory, self._rate = directory, rate
        self._end = threading.Event()
        listed = httpx.get(f"{directory.processes['query-api'].url}/users", params={"limit": 1}, trust_env=False)
        self._user = listed.json()["items"][0]["id"]
        self.results: dict[str, list[LoadResult]] = {"reads": [], "writes": []}

    def run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._both())

    def end(self) -> dict[str, tuple[Counter[int], float, float]]:
        self._end.set()
        self.join()
        return {
            kind: (
                sum((Counter(one.statuses) | Counter({0: one.broken}) for one in results), Counter()),
                max(one.p99 for one in results),
                max(one.worst for one in results),
            )
            for kind, results in self.results.items()
        }

    async def _both(self) -> None:
        read, write = (self._directory.processes[name].url for name in ("query-api", "command-api"))
        request = http_request("GET", f"/users/{self._user}")

        def body() -> bytes:
            text = json.dumps({"email": f"{new_event_id()}@example.com", "display_name": "Ada"})
            return http_request("POST", "/users", body=text.encode())

        async def keep_up(kind: str, url: str, make: "object", rate: float) -> None:
            where = urlsplit(url)
            while not self._end.is_set():
                result = await run_load(
                    where.hostname or "",
                    where.port or 80,
                    make,  # type: ignore[arg-type]
                    connections=8,
                    seconds=3,
                    rate=rate,
                )
                self.results[kind].append(result)

        await asyncio.gather(
            keep_up("reads", read, lambda: request, 4 * self._rate), keep_up("writes", write, body, self._rate)
        )


def _measure_rebuild(directory: Directory, redis: "Redis", events: int) -> tuple[float, dict[str, list[float]]]:
    """Rebuild; return the events a second of the fill and the memory, at a tenth and at the end."""
    process = directory.command("rebuild")
    memory: dict[str, list[float]] = {"rebuild": [], "projector": []}
    projector = directory.processes["projector"].pid or 0
    began = ended = None
    tenth = False
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        filled = directory.positions(redis, 2)
        beside: Any = redis.get("user-directory:beside") or b""
        if filled and began is None:
            began = (time.perf_counter(), filled)
        if (not tenth and filled >= events / 10) or (ended is None and not beside.endswith(b" filling") and began):
            sizes = (resident_mb(process.pid), resident_mb(projector))
            if tenth:
                ended = (time.perf_counter(), filled)
            tenth = True
            for kind, size in zip(memory, sizes, strict=True):
                memory[kind].append(size)
        time.sleep(0.05)
    if process.wait(10) != 0 or began is None or ended is None:
        raise SystemExit("the rebuild failed")
    return (ended[1] - began[1]) / (ended[0] - began[0]), memory


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=50, help="writes a second meanwhile; four times as many reads")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace, _directory(Path(workspace)) as directory:
        redis = Redis.from_url(directory.redis_url)
        _say(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        started = time.perf_counter()
        write_log(load(ProjectorSettings, directory.environ), asked.events)
        _say(f"{asked.events:,} events written in {time.perf_counter() - started:.0f} s")
        projector = directory.processes["projector"]
        projector.start()
        started = time.perf_counter()
        sizes: list[float] = []
        while (done := directory.positions(redis, 1)) < asked.events:
            if not sizes and done >= asked.events / 10:
                sizes.append(resident_mb(projector.pid or 0))
            time.sleep(0.05)
        live_rate = asked.events / (time.perf_counter() - started)
        sizes.append(resident_mb(projector.pid or 0))
        _say(f"projected from nothing at {live_rate:,.0f}/s")
        _say(f"projector: {sizes[0]:.0f} MB at a tenth, {sizes[-1]:.0f} MB at the end")
        for process in directory.processes.values():
            if process is not projector:
                process.start()
        for process in directory.processes.values():
            process.wait_ready()
        polling = _polling_rate(directory)
        _say(f"polling at {polling:,.0f}/s, ratio {live_rate / polling:.3f}")
        clients = _Clients(directory, asked.rate)
        clients.start()
        rate, memory = _measure_rebuild(directory, redis, asked.events)
        answers = clients.end()
        redis.close()
    _say(f"fill under load {rate:,.0f}/s, ratio {rate / polling:.3f}; load average {os.getloadavg()[1]:.1f}")
    for kind, (tenth, end, *_) in memory.items():
        _say(f"{kind}: {tenth:.0f} MB at a tenth, {end:.0f} MB at the end: {end / tenth - 1:+.0%}")
    for kind, (statuses, p99, worst) in answers.items():
        _say(f"{kind}: {dict(statuses)}, worst p99 of 3 s {p99:.0f} ms, worst {worst:.0f} ms")


if __name__ == "__main__":
    main()
