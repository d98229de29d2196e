"""What a figure was measured on: the machine, the versions, the disk."""

import importlib.metadata
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack.jars import listed

_FSYNCS: Final = 200
_LIBRARIES: Final = ("falcon", "fastapi", "flask", "gunicorn", "kafka-python", "psycopg", "redis", "uvicorn", "uvloop")


@dataclass(frozen=True)
class Machine:
    """One machine at one moment; `fsyncs` a second of one small write each, by one writer."""

    processor: str
    cores: int
    load: float
    fsyncs: float
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.processor}, {self.cores} cores, load {self.load:.1f}, {self.fsyncs:,.0f} fsync/s; {versions}"


def this_machine(workspace: Path) -> Machine:
    """Describe this machine, with the disk that the directory is on."""
    versions = {"Python": platform.python_version(), "Kafka": _kafka_version(), "Redis": _redis_version()}
    versions |= {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return Machine(_processor(), os.cpu_count() or 1, os.getloadavg()[0], _fsync_rate(workspace), versions)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _kafka_version() -> str:
    versions = {jar.coordinates.partition(":kafka-clients:")[2] for jar in listed()}
    return max(versions)


def _redis_version() -> str:
    told = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return told.partition("v=")[2].partition(" ")[0]


def _fsync_rate(workspace: Path) -> float:
    with (workspace / "fsync").open("wb") as file:
        started = time.perf_counter()
        for _ in range(_FSYNCS):
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        return _FSYNCS / (time.perf_counter() - started)
