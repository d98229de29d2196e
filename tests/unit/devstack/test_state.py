import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import control, identity
from devstack.errors import DevstackError
from devstack.settings import from_environ
from devstack.state import Lock, StateFile, without_password


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as process:
        yield process
        process.kill()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    StateFile(tmp_path).write(
        [("kafka", os.getpid(), "127.0.0.1:9092"), ("redis", None, "redis://redis.example:6379/0")]
    )

    state = StateFile(tmp_path).read()

    assert state is not None
    assert state.supervisor.pid == os.getpid()
    assert [(process.name, process.pid, process.alive) for process in state.processes] == [
        ("kafka", os.getpid(), True),
        ("redis", None, True),
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": {}, "processes": []}', '{"supervisor": null}'])
def test_an_unreadable_file_counts_as_none(tmp_path: Path, text: str) -> None:
    StateFile(tmp_path).path.write_text(text)

    assert StateFile(tmp_path).read() is None


def test_a_pid_given_to_another_process_is_not_taken_for_ours(tmp_path: Path) -> None:
    assert identity.same(os.getpid(), identity.started(os.getpid()))
    assert not identity.same(os.getpid(), "1")


def test_a_process_that_has_ended_has_no_start_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert identity.started(process.pid) is None  # a zombie, not yet reaped
    process.wait()
    assert identity.started(process.pid) is None


def test_passwords_are_not_written_down() -> None:
    assert without_password("redis://someone:secret@redis.example:6379/0") == "redis://redis.example:6379/0"
    assert without_password("one:9092,two:9092") == "one:9092,two:9092"


def test_a_second_supervisor_is_refused_until_the_first_gives_the_lock_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    first.acquire()

    with pytest.raises(DevstackError, match="running already"):
        second.acquire()

    first.release()
    second.acquire()
    second.release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DevstackError, match="DEVSTACK_DIR"):
        Lock(tmp_path / "file" / "var").acquire()


def test_leftovers_of_a_killed_run_are_ended(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    StateFile(tmp_path).write([("kafka", sleeper.pid, "127.0.0.1:9092")])
    said: list[str] = []

    assert control.stop_leftovers(tmp_path, said.append)

    assert sleeper.wait(5) != 0
    assert len(said) == 1
    assert f"kafka (pid {sleeper.pid})" in said[0]
    assert StateFile(tmp_path).read() is None


def test_status_of_nothing_is_an_empty_list_and_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = from_environ({"DEVSTACK_DIR": str(tmp_path / "var")})

    assert control.status(found, as_json=True) == 1
    assert capsys.readouterr().out == '{"processes": []}\n'
    assert control.status(found, as_json=False) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_status_names_what_is_alive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    StateFile(tmp_path).write([("kafka", os.getpid(), "127.0.0.1:9092"), ("redis", None, "redis://127.0.0.1:6379/0")])

    assert control.status(from_environ({"DEVSTACK_DIR": str(tmp_path)}), as_json=True) == 0

    assert f'{{"name": "kafka", "pid": {os.getpid()}, "url": "127.0.0.1:9092"}}' in capsys.readouterr().out


def test_reset_keeps_the_downloads_and_what_is_not_ours(tmp_path: Path) -> None:
    for name in ("kafka/data", "redis", "log", "cache/kafka", "other"):
        (tmp_path / name).mkdir(parents=True)

    control.reset(from_environ({"DEVSTACK_DIR": str(tmp_path)}))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "other"]
