"""`python -m devstack` as a user meets it: real Kafka and Redis, stand-ins for the product's own processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from devstack import servers, settings

_ROOT = Path(__file__).parents[3]
_PORTS = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "REDIS_PORT", "COMMAND_API_PORT", "QUERY_API_PORT", "PROJECTOR_PORT")
_NAMES = {"kafka", "redis", "projector", "command-api", "query-api"}
_PYTHON = sys.executable


class Stack:
    """One stack in a folder of its own, on ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.output = directory / "output"
        self.directory = directory / "var"
        self.environ = dict(os.environ) | {name: str(servers.free_port()) for name in _PORTS}
        self.environ |= {"DEVSTACK_DIR": str(self.directory), "DEVSTACK_CACHE": str(settings.from_environ().cache)}
        for name in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
            self.environ.pop(name, None)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> "subprocess.Popen[bytes]":
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [_PYTHON, "-m", "tests.integration.devstack.stack", "run"],
                cwd=_ROOT,
                env=self.environ | environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def command(self, *words: str, python: str = _PYTHON, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python, "-m", "devstack", *words],
            cwd=_ROOT,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def run_to_the_end(self, **environ: str) -> tuple[int, list[str]]:
        """Run what is expected to fail; return its exit status and its lines."""
        status = self.start(**environ).wait(60)
        return status, self.said.splitlines()

    @property
    def said(self) -> str:
        return self.output.read_text()

    def pids(self) -> dict[str, Any]:
        found = json.loads(self.command("status", "--json").stdout)
        return {process["name"]: process["pid"] for process in found["processes"]}

    def until_says(self, text: str, times: int = 1) -> None:
        until(lambda: self.said.count(text) >= times, lambda: self.said)

    def until_ready(self) -> None:
        self.until_says("Ready in ")


def until(condition: Callable[[], bool], story: Callable[[], str] = str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, story()
        time.sleep(0.05)


def alive(pid: int) -> bool:
    # A process whose parent was killed may stay a zombie for as long as nobody reaps it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.command("stop")


def test_everything_comes_up_and_one_signal_stops_it_all(stack: Stack) -> None:
    process = stack.start()
    stack.until_ready()

    status = stack.command("status", "--json")
    found = json.loads(status.stdout)["processes"]
    assert status.returncode == 0
    assert {entry["name"] for entry in found} == _NAMES
    urls = {entry["name"]: entry["url"] for entry in found}
    assert urls["kafka"] == f"127.0.0.1:{stack.environ['KAFKA_PORT']}"
    with urlopen(urls["projector"] + "/readyz") as answer:
        assert answer.read() == b"4"  # KAFKA_PARTITIONS of the local stack
    assert f"curl -i {urls['command-api']}/users" in stack.said

    pids = stack.pids()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not [name for name, pid in pids.items() if alive(pid)]
    assert stack.said.endswith("Stopping ...\nStopped\n")
    gone = stack.command("status", "--json")
    assert (gone.returncode, gone.stdout) == (1, '{"processes": []}\n')


def test_a_second_run_is_refused_a_restart_fetches_nothing_and_a_reset_deletes_the_data(stack: Stack) -> None:
    stack.start()
    stack.until_ready()
    pids = stack.pids()

    second = stack.command("run")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "running already" in second.stderr
    assert stack.pids() == pids

    assert stack.command("stop").returncode == 0
    assert not [name for name, pid in pids.items() if alive(pid)]
    stack.start()
    stack.until_ready()
    assert "Fetching" not in stack.said

    assert stack.command("reset").returncode == 0
    assert stack.pids() == {}
    assert not (stack.directory / "kafka").exists()


def test_every_killed_child_comes_back_and_the_others_go_on(stack: Stack) -> None:
    stack.start()
    stack.until_ready()
    for name in _NAMES:
        before = stack.pids()

        os.kill(before[name], signal.SIGKILL)
        stack.until_says(f"{name} is ready again")

        assert f"{name} has died (killed by SIGKILL); starting it again" in stack.said
        after = stack.pids()
        assert after.pop(name) != before.pop(name)
        assert after == before


def test_after_a_killed_supervisor_the_next_run_works(stack: Stack) -> None:
    process = stack.start()
    stack.until_ready()
    before = stack.pids()
    process.kill()
    process.wait()

    stack.start()
    stack.until_ready()

    assert not [name for name, pid in before.items() if alive(pid)]
    assert set(stack.pids()) == _NAMES


def test_a_child_that_does_not_stop_is_killed(stack: Stack) -> None:
    process = stack.start(STAND_IN_MOOD="stubborn", DRAIN_SECONDS="0.1")
    stack.until_ready()
    pids = stack.pids()

    process.terminate()
    stack.until_says("Stopping ...")
    process.terminate()  # the second time nothing is waited for

    assert process.wait(30) == 0
    assert "projector has not stopped in time: killed" in stack.said
    assert not [name for name, pid in pids.items() if alive(pid)]


def test_taken_ports_are_named_in_one_line_and_nothing_is_started(stack: Stack) -> None:
    with (
        socket.create_server(("127.0.0.1", int(stack.environ["REDIS_PORT"]))),
        socket.create_server(("127.0.0.1", int(stack.environ["QUERY_API_PORT"]))),
    ):
        status, lines = stack.run_to_the_end()

    assert status == 1
    assert len(lines) == 1
    assert f"REDIS_PORT {stack.environ['REDIS_PORT']}" in lines[0]
    assert f"QUERY_API_PORT {stack.environ['QUERY_API_PORT']}" in lines[0]
    assert stack.pids() == {}


def test_without_a_network_the_first_start_says_what_to_do(stack: Stack, tmp_path: Path) -> None:
    status, lines = stack.run_to_the_end(
        DEVSTACK_CACHE=str(tmp_path / "cache"), MAVEN_REPOSITORY=f"http://127.0.0.1:{servers.free_port()}/maven"
    )

    assert status == 1
    assert len(lines) == 2  # what it was about to do, and why not
    assert "connect to the network once" in lines[1]
    assert stack.pids() == {}


def test_a_folder_that_cannot_be_written_is_named(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    status, lines = stack.run_to_the_end(DEVSTACK_DIR=str(tmp_path / "file" / "var"))

    assert status == 1
    assert len(lines) == 1
    assert "DEVSTACK_DIR" in lines[0]


def test_a_process_that_never_starts_ends_the_run_with_its_own_words(stack: Stack) -> None:
    status, lines = stack.run_to_the_end(STAND_IN_MOOD="broken")

    assert status == 1
    assert "projector does not start" in lines[-1]
    assert "REDIS_URL must be a redis:// URL" in lines[-1]
    assert stack.pids() == {}


def test_running_servers_are_used_and_left_alone(stack: Stack) -> None:
    with servers.redis() as redis, servers.kafka() as kafka:
        process = stack.start(KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap, REDIS_URL=redis.url)
        stack.until_ready()
        found = stack.pids()
        process.terminate()
        assert process.wait(30) == 0

        assert (found["kafka"], found["redis"]) == (None, None)
        assert redis.ready()
        assert kafka.ready()


def test_a_named_server_that_does_not_answer_ends_the_run(stack: Stack) -> None:
    status, lines = stack.run_to_the_end(REDIS_URL=f"redis://127.0.0.1:{servers.free_port()}/0")

    assert status == 1
    assert "unset REDIS_URL" in lines[-1]
    assert stack.pids() == {}


def test_status_needs_no_installed_package(stack: Stack) -> None:
    bare = stack.command("status", "--json", PYTHONNOUSERSITE="1", python=_bare_python())

    assert (bare.returncode, bare.stdout, bare.stderr) == (1, '{"processes": []}\n', "")


def _bare_python() -> str:
    """Return the interpreter under the virtual environment, which has none of its packages."""
    return str(Path(sys.executable).resolve()) if sys.prefix != sys.base_prefix else sys.executable
