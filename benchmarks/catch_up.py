"""How fast one projector catches up: `python -m benchmarks.catch_up [--events 200000] [--rounds 5] [--other TREE]`.

On one log, in turns: kafka-python alone polls it, a projector fills an empty Redis from it, the same while a relay
tells all of it to the public topics, and `python -m projector rebuild` fills a second generation. Kafka, Redis and
whoever reads share two cores. With `--other` the projector of another checkout takes each turn as well.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from benchmarks.made_up_log import write_log
from benchmarks.process_usage import processor_seconds, resident_mb
from devstack import servers
from devstack.table import APPS, DEFAULTS, App, AppProcess
from projector.settings import ProjectorSettings
from runtime.settings import load

_CORES: Final = 2
_PATIENCE_SECONDS: Final = 3600
_LOOK_SECONDS: Final = 0.02
_NEAR_THE_END: Final = 0.98
_PROJECTOR, _RELAY = (next(app for app in APPS if app.name == name) for name in ("projector", "relay"))
_REBUILD: Final = App("rebuild", ("projector", "rebuild"), "REBUILD", 0, after=())

_Mark = tuple[float, int, dict[str, float]]
"""A moment: its time in seconds, the position, and the processor time in seconds of each process."""


@dataclass(frozen=True)
class Timed:
    """What one turn came to.

    Events a second; the same, and the microseconds of processor time an event that the process took, of each fifth of
    the log; resident megabytes at a tenth of it and at its end; what each process took in microseconds an event.
    """

    rate: float
    fifths: Sequence[tuple[float, float]] = ()
    memory: tuple[float, float] = (0, 0)
    processor: Mapping[str, float] = field(default_factory=dict)


class Bench:
    """One log, and a Redis that each turn finds empty."""

    def __init__(self, environ: dict[str, str], redis: "Redis", workspace: Path, pids: dict[str, int]) -> None:
        """Take the pids of Kafka and Redis by name."""
        self._environ = environ
        self._redis = redis
        self._workspace = workspace
        self._pids = pids
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
        with self._running(_PROJECTOR, tree) as projector:
            return self._watch([projector], whole, lambda: self._position(1))

    def relay(self, tree: Path) -> Timed:
        """Let the projector of a checkout fill an empty Redis while its relay tells all of it once more."""
        self._redis.flushall()
        whole = self.records()
        group = f"relay-{uuid.uuid4()}"
        with ExitStack() as stack:
            projector = stack.enter_context(self._running(_PROJECTOR, tree))
            relay = stack.enter_context(self._running(_RELAY, tree, {"RELAY_GROUP": group}))
            member = KafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap_servers, group_id=group)
            stack.callback(member.close, autocommit=False)

            def relayed() -> int:
                return sum(member.committed(partition) or 0 for partition in self._partitions)

            return self._watch([projector, relay], whole, relayed)

    def rebuild(self, tree: Path) -> Timed:
        """Let a checkout's command fill a second generation beside the first, whose projector has nothing to do."""
        self._redis.flushall()
        with self._running(_PROJECTOR, tree) as projector:
            whole = self.records()
            self._watch([projector], whole, lambda: self._position(1))
            projector.wait_ready()
            with self._running(_REBUILD, tree) as command:
                timed = self._watch([command], round(whole * _NEAR_THE_END), lambda: self._position(2))
                _await(lambda: command.poll() is not None, "the rebuild did not end")
                if command.poll() != 0:
                    raise SystemExit(f"the rebuild failed: see {command.log}")
        return timed

    @contextmanager
    def _running(self, app: App, tree: Path, settings: Mapping[str, str] | None = None) -> Iterator[AppProcess]:
        # Else the working directory would come before the path.
        environ = self._environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{tree}:{tree / 'events'}"}
        environ |= {f"{app.prefix}_PORT": str(servers.free_port()), **(settings or {})}
        process = AppProcess(app, self._workspace / f"{app.name}.log", environ)
        process.start()
        try:
            yield process
        finally:
            process.stop()

    def _watch(self, processes: Sequence[AppProcess], whole: int, position: Callable[[], int]) -> Timed:
        """Wait until the position is behind all records; memory and fifths are those of the first process."""
        _await(lambda: not _all_run(processes) or position() > 0, "nothing was projected")
        pids = self._pids | {process.app.name: process.pid or 0 for process in processes}

        def mark(done: int) -> _Mark:
            return time.perf_counter(), done, {name: processor_seconds(pid) for name, pid in pids.items()}

        measured, marks, tenth = processes[0], [mark(position())], 0.0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (done := position()) < whole:
            if not _all_run(processes) or time.monotonic() > deadline:
                raise SystemExit(f"only {done:,} of {whole:,} records were dealt with: see {self._workspace}")
            if not tenth and done >= whole / 10:
                tenth = resident_mb(measured.pid or 0)
            if done >= whole * len(marks) / 5 and done > marks[-1][1]:
                marks.append(mark(done))
            time.sleep(_LOOK_SECONDS)
        marks.append(mark(done))
        rate, processor = _between(marks[0], marks[-1])
        fifths = [
            (of_fifth, of_each[measured.app.name])
            for of_fifth, of_each in itertools.starmap(_between, itertools.pairwise(marks))
        ]
        return Timed(rate, fifths, (tenth, resident_mb(measured.pid or 0)), processor)

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


def _all_run(processes: Sequence[AppProcess]) -> bool:
    return all(process.poll() is None for process in processes)


def _between(one: _Mark, other: _Mark) -> tuple[float, dict[str, float]]:
    """Return the events a second from one mark to the other, and the microseconds an event that each process took."""
    (since, first, before), (until, last, after) = one, other
    events = last - first
    return events / (until - since), {name: (after[name] - before[name]) * 1e6 / events for name in after}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", type=Path, help="another checkout of the project, to compare with")
    parser.add_argument("--turns", default="poll,catch-up,relay,rebuild", help="which of them")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    here = Path(__file__).resolve().parent.parent
    trees = {"": here} | ({" of the other": asked.other.resolve()} if asked.other else {})
    found: dict[str, list[Timed]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as workspace, servers.kafka() as kafka, servers.redis() as redis:
        environ = os.environ | DEFAULTS
        environ |= {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "REDIS_URL": redis.url, "LOG_FORMAT": "json"}
        pids = {"kafka": kafka.pid or 0, "redis": redis.pid or 0}
        bench = Bench(environ, Redis.from_url(redis.url), Path(workspace), pids)
        size = bench.write(asked.events)
        for _ in range(asked.rounds):
            for turn in asked.turns.split(","):
                if turn == "poll":
                    found[turn].append(bench.poll())
                    continue
                take = {"catch-up": bench.catch_up, "relay": bench.relay, "rebuild": bench.rebuild}[turn]
                for name, tree in trees.items():
                    found[turn + name].append(take(tree))
            print({name: round(timed[-1].rate) for name, timed in found.items()}, flush=True)
    load_average = os.getloadavg()[1]
    print(f"{platform.machine()}, {_CORES} cores, Python {platform.python_version()}, load {load_average:.1f}")
    print(f"{asked.events:,} events of {size:.0f} bytes, medians of {asked.rounds} rounds")
    base = statistics.median(timed.rate for timed in found["poll"]) if "poll" in found else 0
    for name, turns in found.items():
        rate = statistics.median(one.rate for one in turns)
        ratio = f", {rate / base:.3f} of polling" if base and name != "poll" else ""
        tenth, end = (statistics.median(one.memory[i] for one in turns) for i in range(2))
        memory = f"; {tenth:.0f} MB at a tenth, {end:.0f} MB at the end: {end / tenth - 1:+.0%}" if tenth else ""
        print(f"{name}: {rate:,.0f}/s{ratio}{memory}")
        if fifths := [one.fifths for one in turns if one.fifths]:
            for number, unit in enumerate(("/s", " us of processor time")):
                medians = (statistics.median(fifth[number] for fifth in each) for each in zip(*fifths, strict=False))
                print("    fifths of the log:", *(f"{median:,.0f}{unit}" for median in medians))
        for who in turns[0].processor:
            print(
                f"    {who}: {statistics.median(one.processor[who] for one in turns):.0f} us of processor time an event"
            )
    if asked.json:
        asked.json.write_text(json.dumps({name: [vars(one) for one in timed] for name, timed in found.items()}))


if __name__ == "__main__":
    main()
