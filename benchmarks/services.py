"""The services that are compared, started as they are run: the API under test on one core, all else on the other."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.load import pin_to_core
from devstack.servers import free_port

UNDER_TEST: Final = 0
"""The core of the API processes and of what is compared with them."""
REST: Final = 1
"""The core of all else: Kafka, Redis, PostgreSQL, projector, relay, and the load."""

_START_SECONDS: Final = 90
_STOP_SECONDS: Final = 60
# gunicorn's documentation: twice the cores, and one more.
_WORKERS_OF_ONE_CORE: Final = 3


@dataclass(frozen=True)
class Service:
    """One of the services: where it reads and writes."""

    name: str
    reads: int
    writes: int


@dataclass(frozen=True)
class Stack(Service):
    """The whole product; `processes` are the pids of its processes by name."""

    redis: str
    processes: Mapping[str, int]


@contextmanager
def directory(workspace: Path, *, pinned: bool = True, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start the whole product with these settings, as `make run` does; pinned: only its APIs on the core under test."""
    names = ["KAFKA", "KAFKA_CONTROLLER", "REDIS", "COMMAND_API", "QUERY_API", "PROJECTOR", "RELAY"]
    ports = {f"{name}_PORT": str(free_port()) for name in names}
    settings = os.environ | ports | {"DEVSTACK_DIR": str(workspace / "devstack"), "ACCESS_LOG": "false"}
    settings |= environment or {}
    settings.setdefault("DEVSTACK_CACHE", str(Path("var/cache").absolute()))
    command = [sys.executable, "-m", "devstack"]
    run = subprocess.Popen([*command, "run"], env=settings, stdout=subprocess.DEVNULL)
    try:
        reads, writes = int(ports["QUERY_API_PORT"]), int(ports["COMMAND_API_PORT"])
        wait_until_answered(f"http://127.0.0.1:{writes}/readyz", run)
        wait_until_answered(f"http://127.0.0.1:{reads}/readyz", run)
        status = subprocess.run([*command, "status", "--json"], env=settings, capture_output=True, check=True)
        processes = {process["name"]: process["pid"] for process in json.loads(status.stdout)["processes"]}
        if pinned:
            for name in ("command-api", "query-api"):
                pin_tree(processes[name], {UNDER_TEST})
        yield Stack("directory", reads, writes, f"redis://127.0.0.1:{ports['REDIS_PORT']}", processes)
    finally:
        run.terminate()
        run.wait(_STOP_SECONDS)


@contextmanager
def query_api(
    redis_url: str, environment: Mapping[str, str] | None = None, *, cores: AbstractSet[int] = frozenset({UNDER_TEST})
) -> Iterator[int]:
    """Start a query API alone, open to everybody unless the settings say otherwise; yield its port."""
    port = free_port()
    settings = {"REDIS_URL": redis_url, "QUERY_API_PORT": str(port), "ACCESS_LOG": "false", "AUTH": "off"}
    settings |= environment or {}
    run = subprocess.Popen([sys.executable, "-m", "query_api"], env=os.environ | settings, stdout=subprocess.DEVNULL)
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/readyz", run)
        pin_tree(run.pid, cores)
        yield port
    finally:
        run.terminate()
        run.wait(_STOP_SECONDS)


@contextmanager
def flask_sqlite(database: Path) -> Iterator[Service]:
    """Start Flask and SQLite under gunicorn's default worker."""
    application = "benchmarks.rivals.flask_sqlite:create_app()"
    with _gunicorn("Flask + SQLite", application, str(database), workers=1) as service:
        yield service


@contextmanager
def flask_postgres(database: str) -> Iterator[Service]:
    """Start Flask and PostgreSQL under as many of gunicorn's default workers as its documentation recommends."""
    application = "benchmarks.rivals.flask_postgres:create_app()"
    with _gunicorn("Flask + PostgreSQL", application, database, workers=_WORKERS_OF_ONE_CORE) as service:
        yield service


@contextmanager
def fastapi_redis(redis_url: str, plumbing: str) -> Iterator[Service]:
    """Start FastAPI and Redis under uvicorn; `plumbing`: see there."""
    port = free_port()
    application = ["--factory", "benchmarks.rivals.fastapi_redis:create_app"]
    command = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", str(port)]
    environment = {"REDIS_URL": redis_url, "PLUMBING": plumbing}
    name = {"pool": "FastAPI + redis-py's pool", "link": "FastAPI + our Redis link"}[plumbing]
    with _on_core_under_test([*command, *application], port, environment):
        yield Service(name, port, port)


@contextmanager
def postgres(workspace: Path) -> Iterator[str]:
    """Start a PostgreSQL with its default settings; yield the URL of its database."""
    port, data = free_port(), workspace / "postgres"
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user, user)
        workspace.chmod(0o711)
    programs = _postgres_programs()
    options = ["--auth=trust", "--username=postgres"]
    subprocess.run([programs / "initdb", *options, "-D", data], user=user, check=True, stdout=subprocess.DEVNULL)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data), "-h", "127.0.0.1"]
    run = subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        asked = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(asked, check=False).returncode != 0:
            if time.monotonic() > deadline or run.poll() is not None:
                raise SystemExit("PostgreSQL does not become ready")
            time.sleep(0.1)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run.terminate()
        run.wait(_STOP_SECONDS)


def _postgres_programs() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        raise SystemExit("PostgreSQL is not installed: apt install postgresql")
    return places[-1]


@contextmanager
def _gunicorn(name: str, application: str, database: str, *, workers: int) -> Iterator[Service]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(workers), application]
    with _on_core_under_test(command, port, {"DATABASE": database}):
        yield Service(name, port, port)


@contextmanager
def _on_core_under_test(command: Sequence[str], port: int, environment: Mapping[str, str]) -> Iterator[None]:
    run = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/users?email=none@example.org", run)
        pin_tree(run.pid, {UNDER_TEST})
        yield
    finally:
        run.terminate()
        run.wait(_STOP_SECONDS)


def wait_until_answered(url: str, run: "subprocess.Popen[bytes]") -> None:
    """Wait until a process answers 200.

    Raises:
        SystemExit: it ended, or does not answer so in time.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and run.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"{url} does not become ready")


def pin_tree(pid: int, cores: AbstractSet[int]) -> None:
    """Move a process, its children and all their threads to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)
        for child in (task / "children").read_text().split():
            pin_tree(int(child), cores)


def join_the_rest() -> None:
    """Move this process, which makes the load, to the core of all that is not under test.

    Raises:
        SystemExit: there is one core only.
    """
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed")
    pin_to_core(REST)
