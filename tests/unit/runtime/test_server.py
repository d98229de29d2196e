"""The server as it is shipped: gunicorn, uvicorn workers, signals, sockets."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gunicorn.errors import HaltServer

from runtime import server as server_module
from runtime.settings import HttpSettings
from runtime.startup import StartupError

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DEADLINE_SECONDS = 20.0


class _Server:
    """One run of serve.py; its output is collected line by line."""

    def __init__(self, temporary: Path, **environ: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.temporary = temporary
        paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]), "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "serve.py"), str(self.port)],
            env=os.environ | paths | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=lines.extend, args=(stream,), daemon=True)
            for lines, stream in ((self.out, self.process.stdout), (self.err, self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE_SECONDS)
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        return code

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def worker(self) -> int:
        pid: int = json.loads(self.request("GET", "/echo")[2])["pid"]
        return pid


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@contextmanager
def _running(temporary: Path, **environ: str) -> Iterator[_Server]:
    server = _Server(temporary, **environ)
    try:
        _eventually(lambda: any('"listening"' in line for line in server.out))
        yield server
    finally:
        server.process.terminate()
        server.wait()


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize(
    ("fault", "line"),
    [("factory", "Kafka cannot be reached; start it"), ("hook", "the topic is missing")],
)
def test_a_startup_error_of_a_worker_ends_the_server_with_one_line(
    tmp_path: Path, fault: str, line: str, workers: str
) -> None:
    server = _Server(tmp_path, APP_FAULT=fault, WEB_CONCURRENCY=workers)
    assert server.wait() == 2
    assert [error.partition(": ")[2] for error in server.err] == [f"{line}\n"]
    assert [json.loads(record)["level"] for record in server.out] == ["info"]


def test_a_bug_in_the_factory_ends_the_server_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    server = _Server(tmp_path, APP_FAULT="bug")
    assert server.wait() not in (0, 2)
    assert any("a bug of the factory" in json.loads(record).get("stack", "") for record in server.out)


def test_a_taken_port_ends_the_server_at_once_with_one_line(tmp_path: Path) -> None:
    with _running(tmp_path) as first:
        second = subprocess.run(
            [sys.executable, str(HERE / "serve.py"), str(first.port)],
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{first.port}: Address already in use; " in second.stderr


def test_sigterm_lets_the_request_in_flight_finish_and_closes_the_clients(tmp_path: Path) -> None:
    with _running(tmp_path) as server:
        answers: list[Any] = []
        client = threading.Thread(target=lambda: answers.append(server.request("GET", "/slow?seconds=1")))
        client.start()
        _eventually(lambda: "slow request began\n" in server.out)
        server.process.terminate()
        assert server.wait() == 0
        client.join(DEADLINE_SECONDS)
    ((status, headers, body),) = answers
    assert (status, json.loads(body)) == (200, {"done": True})
    assert headers["connection"] == "close"
    assert "clients closed\n" in server.out
    assert server.err == []


def test_sigterm_gives_a_kept_connection_one_last_answer(tmp_path: Path) -> None:
    with _running(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_SECONDS)
        connection.request("GET", "/echo")
        answer = connection.getresponse()
        assert (answer.read() != b"", answer.headers["connection"]) == (True, None)
        server.process.terminate()
        # Without the goodbye this request would meet a closed connection.
        answers = []
        for _ in range(2000):
            connection.request("GET", "/echo")
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
            if answer.headers["connection"] == "close":
                break
        assert answer.headers["connection"] == "close"
        assert set(answers) == {200}
        assert server.wait() == 0
    assert "clients closed\n" in server.out


def test_a_request_that_outlasts_the_drain_does_not_keep_the_server(tmp_path: Path) -> None:
    with (
        _running(tmp_path, DRAIN_SECONDS="1") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_SECONDS) as client,
    ):
        client.sendall(b"GET /slow?seconds=600 HTTP/1.1\r\nHost: x\r\n\r\n")
        _eventually(lambda: "slow request began\n" in server.out)
        server.process.terminate()
        assert server.wait() == 0
    assert "clients closed\n" in server.out


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with _running(tmp_path) as server:
        killed = server.worker()
        os.kill(killed, signal.SIGKILL)
        _eventually(lambda: _answers_from_another(server, killed))


def _answers_from_another(server: _Server, killed: int) -> bool:
    try:
        return server.worker() != killed
    except (OSError, http.client.HTTPException):
        return False


def test_several_workers_share_their_metrics_and_leave_no_files(tmp_path: Path) -> None:
    with _running(tmp_path, WEB_CONCURRENCY="2") as server:
        pids = set()
        sent = 0

        def both_answered() -> bool:
            nonlocal sent
            sent += 1
            pids.add(server.worker())
            return len(pids) == 2

        _eventually(both_answered)
        metrics = server.request("GET", "/metrics")[2].decode()
        count = (
            'user_directory_http_request_duration_seconds_count{method="GET",route="/echo",status="200"} '
            f"{float(sent)}"
        )
        assert count in metrics
        assert list(tmp_path.glob("user-directory-metrics-*/*.db"))
    assert not list(tmp_path.glob("user-directory-metrics-*"))


def test_a_huge_body_gets_its_answer_and_the_connection_goes_on(tmp_path: Path) -> None:
    body = b" " * 10_000_000
    with _running(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_SECONDS)
        for content in (body, iter([body])):  # with a length and in chunks
            connection.request("POST", "/echo", content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (413, 413)
        connection.request("GET", "/echo")
        assert connection.getresponse().status == 200
        connection.close()


def test_the_server_does_not_say_what_it_is(tmp_path: Path) -> None:
    with _running(tmp_path) as server:
        assert server.request("GET", "/echo")[1]["server"] is None


def test_an_unreadable_request_is_refused_and_the_server_lives_on(tmp_path: Path) -> None:
    with _running(tmp_path) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_SECONDS) as client:
            client.sendall(b"\x16\x03\x01 not http\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert server.worker() > 0


class _Arbiter:
    """Gunicorn's arbiter where two more workers fail while it stops because of the first."""

    def __init__(self, _application: object) -> None:
        self.halts = 0

    def run(self) -> None:
        raise HaltServer("App failed to load.", 4)

    def halt(self, reason: str, exit_status: int) -> None:
        self.halts += 1
        if self.halts <= 2:
            raise HaltServer(reason, exit_status)
        raise StartupError(f"after {self.halts} rounds")


def test_workers_that_fail_while_the_server_stops_do_not_disturb_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "Arbiter", _Arbiter)
    with pytest.raises(StartupError, match="after 3 rounds"):
        server_module.run("unused:unused", HttpSettings(), host="127.0.0.1", port=0)
