"""How fast the directory is beside a plain CRUD service: `python -m benchmarks.against_crud [--rounds 5]`.

The API process under test and the rival (Flask and SQLite under gunicorn, one worker, its default journal) run on core
0; Kafka, Redis, the projector and the load run on core 1. Rounds are interleaved, and medians are compared. A write
counts when the directory has answered 201: it is in Kafka, applied, visible and unique; the rival's is one INSERT.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvloop

from benchmarks.load import LoadResult, http_request, pin_to_core, run_load
from devstack.servers import free_port

UNDER_TEST, REST = 0, 1
_START_SECONDS = 90
_FSYNCS = 200


@dataclass(frozen=True)
class Side:
    """One of the two services: where it reads and writes."""

    name: str
    reads: int
    writes: int


@dataclass
class Question:
    """One thing measured on both sides, with the results of all rounds by side."""

    name: str
    connections: int
    port: Callable[[Side], int]
    request: Callable[[str], Callable[[], bytes]]
    expected: int
    results: dict[str, list[LoadResult]] = field(default_factory=dict)

    def median(self, side: str) -> float:
        """Return the median rate of a side."""
        return statistics.median(result.rate for result in self.results[side])


@contextmanager
def directory(workspace: Path, *, pinned: bool = True, environment: Mapping[str, str] | None = None) -> Iterator[Side]:
    """Start the whole product with these settings, as `make run` does; pinned: on core 1 but for the API processes."""
    names = ["KAFKA", "KAFKA_CONTROLLER", "REDIS", "COMMAND_API", "QUERY_API", "PROJECTOR"]
    ports = {f"{name}_PORT": str(free_port()) for name in names}
    settings = os.environ | ports | {"DEVSTACK_DIR": str(workspace / "devstack"), "ACCESS_LOG": "false"}
    settings |= environment or {}
    settings.setdefault("DEVSTACK_CACHE", str(Path("var/cache").absolute()))
    command = [sys.executable, "-m", "devstack"]
    run = subprocess.Popen([*command, "run"], env=settings, stdout=subprocess.DEVNULL)
    try:
        side = Side("directory", int(ports["QUERY_API_PORT"]), int(ports["COMMAND_API_PORT"]))
        _wait_until_ready(f"http://127.0.0.1:{side.writes}/readyz", run)
        _wait_until_ready(f"http://127.0.0.1:{side.reads}/readyz", run)
        status = subprocess.run([*command, "status", "--json"], env=settings, capture_output=True, check=True)
        for process in json.loads(status.stdout)["processes"]:
            if pinned and process["name"] in ("command-api", "query-api"):
                _pin_tree(process["pid"], UNDER_TEST)
        yield side
    finally:
        run.terminate()
        run.wait(60)


@contextmanager
def rival(workspace: Path) -> Iterator[Side]:
    """Start the rival on core 0."""
    port = free_port()
    environment = os.environ | {"DATABASE": str(workspace / "rival.db")}
    application = "benchmarks.rivals.flask_sqlite:create_app()"
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", application]
    run = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/users?email=none@example.org", run)
        _pin_tree(run.pid, UNDER_TEST)
        yield Side("Flask + SQLite", port, port)
    finally:
        run.terminate()
        run.wait(30)


def _wait_until_ready(url: str, run: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and run.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} does not become ready")


def _pin_tree(pid: int, core: int) -> None:
    """Move a process, its children and all their threads to a core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})
        for child in (task / "children").read_text().split():
            _pin_tree(int(child), core)


def _register(side: Side) -> str:
    body = {"email": f"{uuid.uuid4()}@example.org", "display_name": "Ada Lovelace"}
    response = httpx.post(f"http://127.0.0.1:{side.writes}/users", json=body, timeout=15)
    response.raise_for_status()
    return str(response.json()["id"])


def _reader(user_id: str) -> Callable[[], bytes]:
    request = http_request("GET", f"/users/{user_id}")
    return lambda: request


def _writer(_: str) -> Callable[[], bytes]:
    prefix, numbers = uuid.uuid4().hex[:12], itertools.count()

    def make() -> bytes:
        body = {"email": f"{prefix}-{next(numbers)}@example.org", "display_name": "Ada Lovelace"}
        return http_request("POST", "/users", body=json.dumps(body).encode())

    return make


async def measure(sides: list[Side], questions: list[Question], rounds: int, seconds: float) -> None:
    """Ask every question of both sides, round by round.

    Raises:
        SystemExit: a side answered something else than it should.
    """
    users = {side.name: _register(side) for side in sides}
    for turn in range(rounds):
        for question in questions:
            for side in sides if turn % 2 else reversed(sides):
                result = await run_load(
                    "127.0.0.1",
                    question.port(side),
                    question.request(users[side.name]),
                    connections=question.connections,
                    seconds=seconds,
                )
                if set(result.statuses) != {question.expected}:
                    raise SystemExit(f"{question.name} of {side.name} was answered {result.statuses}")
                question.results.setdefault(side.name, []).append(result)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)


def report(sides: list[Side], questions: list[Question]) -> None:
    """Print the table of medians and the ratios."""
    ours, theirs = (side.name for side in sides)
    print(
        f"{'':22}{ours + ' /s':>14}{'p50 ms':>9}{'p99 ms':>9}{theirs + ' /s':>19}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}"
    )
    for question in questions:
        cells = f"{question.name + f', {question.connections} conn.':22}"
        for name, width in ((ours, 14), (theirs, 19)):
            results = question.results[name]
            cells += f"{question.median(name):{width},.0f}"
            cells += "".join(f"{statistics.median(getattr(r, p) for r in results):9.2f}" for p in ("p50", "p99"))
        print(f"{cells}{question.median(ours) / question.median(theirs):8.1f}")


def _fsync_rate(workspace: Path) -> float:
    with (workspace / "fsync").open("wb") as file:
        started = time.perf_counter()
        for _ in range(_FSYNCS):
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        return _FSYNCS / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", type=Path, help="file for all results")
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed")
    pin_to_core(REST)
    questions = [
        Question("GET by id", 32, lambda side: side.reads, _reader, 200),
        Question("POST", 32, lambda side: side.writes, _writer, 201),
        Question("POST", 128, lambda side: side.writes, _writer, 201),
    ]
    with TemporaryDirectory() as name:
        workspace = Path(name)
        fsyncs = _fsync_rate(workspace)
        with directory(workspace) as ours, rival(workspace) as theirs:
            sides = [ours, theirs]
            uvloop.run(measure(sides, questions, arguments.rounds, arguments.seconds))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {fsyncs:,.0f} fsync/s")
    report(sides, questions)
    if arguments.json:
        found = [{"name": q.name, "connections": q.connections, "results": q.results} for q in questions]
        arguments.json.write_text(json.dumps(found, default=asdict, indent=1))


if __name__ == "__main__":
    main()
