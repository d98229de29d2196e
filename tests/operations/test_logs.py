"""The services' log as its receivers take it: rsyslog parses every field of RFC 5424; a moved file loses no line."""

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from devstack.process import ManagedProcess
from devstack.servers import free_port
from tests.e2e.people import person
from tests.stack import running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

REQUESTS = 40
# Every field that RFC 5424 has, as rsyslog's own parser finds it.
TEMPLATE = """
template(name="fields" type="list") {
    constant(value="{")
    property(name="pri" outname="pri" format="jsonf") constant(value=",")
    property(name="protocol-version" outname="version" format="jsonf") constant(value=",")
    property(name="timereported" dateFormat="rfc3339" outname="time" format="jsonf") constant(value=",")
    property(name="hostname" outname="hostname" format="jsonf") constant(value=",")
    property(name="app-name" outname="app" format="jsonf") constant(value=",")
    property(name="procid" outname="procid" format="jsonf") constant(value=",")
    property(name="msgid" outname="msgid" format="jsonf") constant(value=",")
    property(name="structured-data" outname="data" format="jsonf") constant(value=",")
    property(name="msg" outname="message" format="jsonf")
    constant(value="}\\n")
}
"""


class Rsyslog(ManagedProcess):
    """rsyslog as a receiver over TCP, which writes each message's fields as JSON."""

    def __init__(self, directory: Path) -> None:
        if not shutil.which("rsyslogd"):
            raise FileNotFoundError("rsyslogd is not on the PATH: install rsyslog (Debian: apt install rsyslog)")
        super().__init__("rsyslog", directory / "rsyslog.log")
        self.directory, self.port, self.received = directory, free_port(), directory / "received.json"
        (directory / "rsyslog.conf").write_text(
            f'global(workDirectory="{directory}")\nmodule(load="imtcp")\n{TEMPLATE}\n'
            f'input(type="imtcp" address="127.0.0.1" port="{self.port}")\n'
            f'action(type="omfile" file="{self.received}" template="fields")\n'
        )

    def command(self) -> list[str]:
        """Return its command line."""
        return ["rsyslogd", "-n", "-i", str(self.directory / "pid"), "-f", str(self.directory / "rsyslog.conf")]

    def ready(self) -> bool:
        """Tell whether it listens."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def messages(self, count: int) -> list[dict[str, str]]:
        """Wait for that many messages, and return them."""
        deadline = time.monotonic() + 20
        while True:
            lines = self.received.read_text().splitlines() if self.received.exists() else []
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            assert time.monotonic() < deadline, f"{len(lines)} of {count} messages"
            time.sleep(0.1)


@contextmanager
def rsyslog(directory: Path) -> Iterator[Rsyslog]:
    server = Rsyslog(directory)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def _ask(url: str, name: str) -> None:
    headers = {"X-Request-ID": name}
    httpx.post(f"{url}/users", json=person(), headers=headers, trust_env=False, timeout=15).raise_for_status()


def test_rsyslog_parses_every_field_of_what_the_services_log(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "services.log"
    # A request's id may hold what structured data must escape.
    names = ["plain-1", "with=equals/and~more"]
    with running_stack(kafka_bootstrap, redis_url, tmp_path, LOG_FORMAT="rfc5424", LOG_FILE=str(log)) as stack:
        for name in names:
            _ask(stack.command_url, name)
    lines = log.read_text().splitlines()
    assert len(lines) > 10
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    with rsyslog(folder) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(log.read_bytes())
        messages = server.messages(len(lines))

    assert len(messages) == len(lines)
    for line, message in zip(lines, messages, strict=True):
        assert message["version"] == "1"
        assert message["pri"] == re.match(r"<(\d+)>", line)[1]  # type: ignore[index]
        assert message["hostname"] == socket.gethostname()
        assert message["app"] in ("command-api", "query-api", "projector")
        assert message["procid"].isdigit()
        fields = (message[name] for name in ("time", "hostname", "app", "procid", "msgid"))
        head = f"<{message['pri']}>1 {' '.join(fields)}"
        rest = line.removeprefix(head)
        assert rest != line, (line, message)
        assert rest.strip() == f"{message['data']} {message['message'].strip()}"
    data = " ".join(message["data"] for message in messages)
    assert all(f'request_id="{name}"' in data for name in names)


@pytest.mark.parametrize("log_format", ["json", "rfc5424"])
def test_moving_the_log_file_away_loses_no_line(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path, log_format: str
) -> None:
    log = tmp_path / "services.log"
    names = [f"request-{number}" for number in range(REQUESTS)]
    with running_stack(kafka_bootstrap, redis_url, tmp_path, LOG_FORMAT=log_format, LOG_FILE=str(log)) as stack:
        for number, name in enumerate(names):
            _ask(stack.command_url, name)
            if number % 10 == 9:
                # As logrotate does without copytruncate; nobody tells the processes.
                os.rename(log, tmp_path / f"services.log.{number // 10}")  # noqa: PTH104 - logrotate's own system call

    moved = sorted(tmp_path.glob("services.log.*"))
    assert len(moved) == REQUESTS // 10
    text = "".join(path.read_text() for path in [*moved, log])
    for name in names:
        pattern = rf'request_id"?[=:]"{name}"'
        assert len(re.findall(pattern, text)) >= 1, f"the line of {name} is lost"
    assert log.stat().st_size > 0


def test_logrotate_itself_moves_the_file_and_loses_no_line(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    if not shutil.which("logrotate"):
        raise FileNotFoundError("logrotate is not on the PATH: install logrotate")
    import subprocess

    log = tmp_path / "services.log"
    rule = tmp_path / "rule"
    rule.write_text(f"{log} {{\n    su root root\n    rotate 9\n    nocreate\n    nocompress\n    missingok\n}}\n")
    rule.chmod(0o644)
    names = [f"request-{number}" for number in range(REQUESTS)]
    with running_stack(kafka_bootstrap, redis_url, tmp_path, LOG_FILE=str(log)) as stack:
        for number, name in enumerate(names):
            _ask(stack.command_url, name)
            if number % 10 == 9:
                subprocess.run(["logrotate", "--force", "--state", str(tmp_path / "state"), str(rule)], check=True)
    assert len(list(tmp_path.glob("services.log.*"))) == REQUESTS // 10
    text = "".join(path.read_text() for path in tmp_path.glob("services.log*"))
    lost = [name for name in names if f'"request_id":"{name}"' not in text]
    assert not lost
