"""`make run` as a user meets it: what dies comes back, and what was written is there after a restart."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devstack import settings
from devstack.servers import free_port
from tests.e2e.people import made_up_people
from tests.e2e.processes import eventually

PROCESSES = ("COMMAND_API_PORT", "QUERY_API_PORT", "PROJECTOR_PORT", "RELAY_PORT")
PORTS = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "REDIS_PORT", *PROCESSES)
OTHERS = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "COMMAND_API_URL", "QUERY_API_URL")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a local stack of its own."""
    mine = {"DEVSTACK_DIR": str(tmp_path / "var"), "DEVSTACK_CACHE": str(settings.from_environ().cache)}
    kept = {name: value for name, value in os.environ.items() if name not in OTHERS}
    return kept | mine | {name: str(free_port()) for name in PORTS}


@contextmanager
def running(environ: dict[str, str], output: Path) -> Iterator[Path]:
    """Run the stack until the block ends, then end it as Ctrl-C does; give what it says."""
    with output.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "devstack", "run"], env=environ, stdout=said, stderr=said)
    try:
        eventually(lambda: "Ready in" in output.read_text() or process.poll() is not None, "the stack is ready", 60)
        assert process.poll() is None, output.read_text()
        yield output
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output.read_text()


def demo(environ: dict[str, str], people: Path) -> str:
    """Run the demo; return what it prints."""
    command = [sys.executable, "-m", "benchmarks.demo", "--people", str(people), "--writers", "16"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_users_are_there_again_after_a_kill_and_after_a_restart(environ: dict[str, str], tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.write_text("".join(f'"{name}" <{address}>\n' for name, address in made_up_people(100)))
    with running(environ, tmp_path / "first") as output:
        assert "90 accepted" in demo(environ, people)
        status = [sys.executable, "-m", "devstack", "status", "--json"]
        shown = json.loads(subprocess.run(status, env=environ, capture_output=True, check=True).stdout)
        pids = {process["name"]: process["pid"] for process in shown["processes"]}
        assert set(pids) == {"kafka", "redis", "projector", "command-api", "query-api", "relay"}
        os.kill(pids["redis"], signal.SIGKILL)
        eventually(lambda: "redis is ready again" in output.read_text(), "Redis is started again")
    with running(environ, tmp_path / "second"):
        again = demo(environ, people)
        assert "the directory has 90 users" in again
        assert "100 refused" in again
