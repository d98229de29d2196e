"""How fast one projector catches up: `python -m benchmarks.catch_up [--events 200000] [--rounds 5] [--other TREE]`.

On one log, in turns: kafka-python alone polls it, a projector fills an empty Redis from it, and `python -m projector
rebuild` fills a second generation. Kafka, Redis and whoever reads share two cores. With `--other` the projector of
another checkout takes each turn as well.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from benchmarks.made_up_log import write_log
from devstack import servers
from devstack.table import APPS, DEFAULTS, AppProcess
from projector.settings import ProjectorSettings
from runtime.settings import load

_CORES: Final = 2
_PATIENCE_SECONDS: Final = 3600
_LOOK_SECONDS: Final = 0.02
_NEAR_THE_END: Final = 0.98
_PROJECTOR: Final = APPS[0]


@dataclass(frozen=True)
class Timed:
    """What one turn came to: events a second, and resident megabytes at a tenth of the log and at its end."""

    rate: float
    memory: tuple[float, float] = (0, 0)


class Bench:
    """One log, and a Redis that each turn finds empty."""

    def __init__(self, environ: dict[str, str], redis: "Redis", workspace: Path) -> None:
        self._environ = environ
        self._redis = redis
        self._workspace = workspace
        self._settings = load(ProjectorSettings, environ)
        self._topic = self._settings.events_topic
        self._partitions = [TopicPartition(self._topic, p) for p in range(self._settings.kafka_partitions)]

    def write(self, events: int) -> float:
        """Make the log; return the bytes of a record."""
        write_log(self._settings, events)
        consumer = self._consumer()
        values = [len(record.value) for records in consumer.poll(5000).values() for record in records]
        consumer.close()
        return statistics.mean(values)

    def records(self) -> int:
        """Count the log's records."""
        consumer = self._consumer()
        ends: dict[TopicPartition, int] = consumer.end_offsets(self._partitions)
        consumer.close()
        return sum(ends.values())

    def poll(self) -> Timed:
        """Read the log with kafka-python alone, as it is configured by default."""
        whole, seen, started = self.records(), 0, 0.0
        consumer = self._consumer()
        while seen < whole:
            polled = sum(map(len, consumer.poll(timeout_ms=1000).values()))
            started = started or time.perf_counter()
            seen += polled
        elapsed = time.perf_counter() - started
        consumer.close()
        return Timed(seen / elapsed)

    def catch_up(self, tree: Path) -> Timed:
        """Let the projector of a checkout fill an empty Redis."""
        self._redis.flushall()
        whole = self.records()
        with self._projector(tree) as projector:
            return self._watch(projector.pid or 0, 1, whole, lambda: projector.poll() is None)

    def rebuild(self, tree: Path) -> Timed:
        """Let a checkout's command fill a second generation beside the first, whose projector has nothing to do."""
        self._redis.flushall()
        with self._projector(tree) as projector:
            whole = self.records()
            self._watch(projector.pid or 0, 1, whole, lambda: projector.poll() is None)
            projector.wait_ready()
            command = [sys.executable, "-m", "projector", "rebuild"]
            with (self._workspace / "rebuild.log").open("ab") as out:
                process = subprocess.Popen(command, env=self._of(tree), cwd=tree, stdout=out, stderr=out)
                timed = self._watch(process.pid, 2, round(whole * _NEAR_THE_END), lambda: process.poll() is None)
                if process.wait(_PATIENCE_SECONDS) != 0:
                    raise SystemExit(f"the rebuild failed: see {out.name}")
        return timed

    @contextmanager
    def _projector(self, tree: Path) -> Iterator[AppProcess]:
        environ = self._of(tree) | {"PROJECTOR_PORT": str(servers.free_port())}
        process = AppProcess(_PROJECTOR, self._workspace / "projector.log", environ)
        process.start()
        try:
            yield process
        finally:
            process.stop()

    def _of(self, tree: Path) -> dict[str, str]:
        # Else the working directory would come before the path.
        return self._environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{tree}:{tree / 'events'}"}

    def _watch(self, pid: int, generation: int, whole: int, alive: Callable[[], bool]) -> Timed:
        _await(lambda: not alive() or self._position(generation) > 0, "nothing was projected")
        began, first = time.perf_counter(), self._position(generation)
        tenth = 0.0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (done := self._position(generation)) < whole:
            if not alive() or time.monotonic() > deadline:
                raise SystemExit(f"only {done:,} of {whole:,} records were projected: see {self._workspace}")
            if not tenth and done >= whole / 10:
                tenth = _resident_mb(pid)
            time.sleep(_LOOK_SECONDS)
        return Timed((done - first) / (time.perf_counter() - began), (tenth, _resident_mb(pid)))

    def _position(self, generation: int) -> int:
        prefix = f"{self._settings.redis_key_prefix}:{generation}:partition:"
        values: Any = self._redis.mget([f"{prefix}{partition.partition}" for partition in self._partitions])
        return sum(int(value.split()[0]) for value in values if value)

    def _consumer(self) -> KafkaConsumer:
        consumer = KafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap_servers, enable_auto_commit=False)
        consumer.assign(self._partitions)
        consumer.seek_to_beginning(*self._partitions)
        return consumer


def _await(found: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not found():
        if time.monotonic() > deadline:
            raise SystemExit(failure)
        time.sleep(_LOOK_SECONDS)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", type=Path, help="another checkout of the project, to compare with")
    parser.add_argument("--turns", default="poll,catch-up,rebuild", help="which of them")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    here = Path(__file__).resolve().parent.parent
    trees = {"": here} | ({" of the other": asked.other.resolve()} if asked.other else {})
    found: dict[str, list[Timed]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as workspace, servers.kafka() as kafka, servers.redis() as redis:
        environ = os.environ | DEFAULTS
        environ |= {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "REDIS_URL": redis.url, "LOG_FORMAT": "json"}
        bench = Bench(environ, Redis.from_url(redis.url), Path(workspace))
        size = bench.write(asked.events)
        for _ in range(asked.rounds):
            for turn in asked.turns.split(","):
                if turn == "poll":
                    found[turn].append(bench.poll())
                    continue
                for name, tree in trees.items():
                    timed = bench.catch_up(tree) if turn == "catch-up" else bench.rebuild(tree)
                    found[turn + name].append(timed)
            print({name: round(timed[-1].rate) for name, timed in found.items()}, flush=True)
    load_average = os.getloadavg()[1]
    print(f"{platform.machine()}, {_CORES} cores, Python {platform.python_version()}, load {load_average:.1f}")
    print(f"{asked.events:,} events of {size:.0f} bytes, medians of {asked.rounds} rounds")
    base = statistics.median(timed.rate for timed in found["poll"]) if found["poll"] else 0
    for name, turns in found.items():
        rate = statistics.median(one.rate for one in turns)
        ratio = f", {rate / base:.3f} of polling" if base and name != "poll" else ""
        tenth, end = (statistics.median(one.memory[i] for one in turns) for i in range(2))
        memory = f"; {tenth:.0f} MB at a tenth, {end:.0f} MB at the end: {end / tenth - 1:+.0%}" if tenth else ""
        print(f"{name}: {rate:,.0f}/s{ratio}{memory}")
    if asked.json:
        asked.json.write_text(json.dumps({name: [vars(one) for one in timed] for name, timed in found.items()}))


if __name__ == "__main__":
    main()
