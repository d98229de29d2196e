"""How long each process takes from its start until it serves: `python -m benchmarks.start_up [--rounds 5]`.

Kafka and Redis run; the directory's processes are started one after another, as `make run` does, until /readyz of each
says 200, and are stopped again. The services that it is compared with are started until they answer. Everything shares
core 0; Kafka and Redis have core 1.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import services
from benchmarks.load import pin_to_core
from benchmarks.machine import this_machine
from benchmarks.services import UNDER_TEST, join_the_rest
from devstack import servers
from devstack.table import APPS, DEFAULTS, AppProcess

_LONGEST_SECONDS: Final = 60


def started(process: AppProcess) -> float:
    """Start a process and return after how many seconds it is ready."""
    began = time.perf_counter()
    process.start()
    while not process.ready():
        if time.perf_counter() - began > _LONGEST_SECONDS or process.pid is None:
            raise SystemExit(f"{process.name} does not become ready")
        time.sleep(0.01)
    return time.perf_counter() - began


def of_the_directory(environment: Mapping[str, str], logs: Path) -> dict[str, float]:
    """Start and stop all processes of the directory once; return the seconds of each."""
    with ExitStack() as stack:
        seconds = {}
        for app in APPS:
            process = AppProcess(app, logs / f"{app.name}.log", environment)
            stack.callback(process.stop)
            seconds[app.name] = started(process)
        return seconds


def of_others(redis_url: str, workspace: Path) -> dict[str, float]:
    """Start and stop the services that the directory is compared with; return the seconds of each."""
    ways: list[AbstractContextManager[services.Service]] = [
        services.flask_sqlite(workspace / "users.db"),
        services.fastapi_redis(redis_url, "pool"),
    ]
    seconds = {}
    for way in ways:
        began = time.perf_counter()
        with way as service:
            seconds[service.name] = time.perf_counter() - began
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is started (default: 5)")
    rounds = parser.parse_args().rounds
    join_the_rest()
    found: dict[str, list[float]] = {}
    with TemporaryDirectory() as name, servers.kafka() as kafka, servers.redis() as redis:
        machine = this_machine(Path(name))
        pin_to_core(UNDER_TEST)
        ports: dict[str, Any] = {f"{app.prefix}_PORT": str(servers.free_port()) for app in APPS}
        where = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.port}", "REDIS_URL": redis.url}
        for turn in range(rounds):
            once = of_the_directory(os.environ | DEFAULTS | where | ports, Path(name)) | of_others(
                redis.url, Path(name)
            )
            for process, seconds in once.items():
                found.setdefault(process, []).append(seconds)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    print(machine)
    print(f"\n{'seconds until it serves':28}{'median':>8}{'least':>8}{'most':>8}")
    for process, some in found.items():
        print(f"{process:28}{statistics.median(some):8.2f}{min(some):8.2f}{max(some):8.2f}")


if __name__ == "__main__":
    main()
