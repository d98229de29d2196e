"""Imports on the processes as shipped: streaming both ways, and once whatever is killed on the way."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from command_api.import_client import exchange
from devstack.table import AppProcess
from tests.e2e.log_reader import user_logs
from tests.e2e.processes import another, eventually, metric
from tests.stack import Stack

NDJSON = "application/x-ndjson"
ROWS = 20_000
LONGEST_SECONDS = 90

pytestmark = pytest.mark.slow


def addresses(count: int) -> list[str]:
    mark = uuid.uuid4().hex[:12]
    return [f"p{number}.{mark}@example.org" for number in range(count)]


def ndjson(emails: list[str]) -> bytes:
    return b"".join(json.dumps({"email": email, "name": {"formatted": "Zoë"}}).encode() + b"\n" for email in emails)


def csv(emails: list[str]) -> str:
    rest = '"Zoë, the first","{""team"":\n ""north""}"'
    return "email,display_name,attributes\n" + "".join(f"{email},{rest}\n" for email in emails)


def registrations(stack: Stack, emails: list[str]) -> Counter[str]:
    """Count the accepted registrations of each address, by the log alone."""
    asked = set(emails)
    found = (event.data.model_dump().get("email") for log in user_logs(stack).values() for event in log.accepted)
    return Counter(email for email in found if email in asked)


def test_many_rows_come_back_in_order_and_each_makes_one_user(
    stack: Stack, command: httpx.Client, query: httpx.Client
) -> None:
    emails = addresses(ROWS - 2)
    file = ndjson([*emails, emails[0].upper()]) + b"{\n"
    received: list[bytes] = []
    before = metric(stack.command_url, "writes_total", command="RegisterUser", outcome="accepted")
    parts = (file[start : start + 10_000] for start in range(0, len(file), 10_000))

    status = asyncio.run(
        exchange(
            f"{stack.command_url}/users/import",
            {"Content-Type": NDJSON},
            parts,
            lambda _, data: received.append(data),
            idle_seconds=LONGEST_SECONDS,
        )
    )

    results = [json.loads(line) for line in b"".join(received).splitlines()]
    assert status == 200
    assert [result["row"] for result in results] == list(range(1, ROWS + 1))
    assert Counter(result["status"] for result in results) == {201: ROWS - 2, 409: 1, 400: 1}
    assert [result["status"] for result in results[-2:]] == [409, 400]
    for number in (0, 1, ROWS // 2, ROWS - 3):
        assert query.get(f"/users/{results[number]['id']}").json()["email"] == emails[number]
    assert registrations(stack, emails) == Counter(emails)
    after = metric(stack.command_url, "writes_total", command="RegisterUser", outcome="accepted")
    assert after - before == ROWS - 2
    eventually(lambda: metric(stack.command_url, "writes_waiting") == 0, "nothing is in flight", 5)


def test_results_leave_while_the_body_is_still_to_come(stack: Stack) -> None:
    connection = HTTPConnection(stack.command_url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/users/import")
    for name, value in {"Content-Type": NDJSON, "Transfer-Encoding": "chunked", "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()

    def send(part: bytes) -> None:
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))

    emails = addresses(6)
    # A row in two parts: the first half alone is none.
    first = ndjson(emails[:3])
    send(first[:-10])
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (200, NDJSON)
    assert [json.loads(answer.readline())["status"] for _ in range(2)] == [201, 201]
    send(first[-10:])
    assert json.loads(answer.readline())["row"] == 3
    for row, email in enumerate(emails[3:], 4):
        send(ndjson([email]))
        assert json.loads(answer.readline())["row"] == row
    send(b"\n")
    connection.send(b"0\r\n\r\n")
    assert answer.readline() == b""
    connection.close()


# --- the command


def run_import(file: Path, url: str, stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "command_api", "import", str(file), "--url", url, *arguments]
    return subprocess.Popen(command, env=stack.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows_done(file: Path) -> int:
    """Return how many rows have a result that is on disk."""
    state = file.with_name(file.name + ".import-state")
    return int(json.loads(state.read_text())["row"]) - 1 if state.exists() else 0


def results_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.with_name(file.name + ".results.ndjson").read_text().splitlines()]


@pytest.fixture
def process(stack: Stack, tmp_path: Path) -> Iterator[AppProcess]:
    """Return a command API to be killed."""
    with another(stack, "command-api", tmp_path) as made:
        yield made


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_import_that_is_killed_goes_on_where_it_was(stack: Stack, tmp_path: Path, form: str) -> None:
    emails = addresses(ROWS)
    file = tmp_path / f"users.{form}"
    file.write_bytes(ndjson(emails) if form == "ndjson" else csv(emails).encode())
    for share in (0.05, 0.2):
        running = run_import(file, stack.command_url, stack)
        eventually(lambda share=share: rows_done(file) >= share * ROWS, "some rows are done", LONGEST_SECONDS)  # type: ignore[misc]
        running.kill()
        running.communicate()
        assert rows_done(file) < ROWS

    finishing = run_import(file, stack.command_url, stack)
    out, err = finishing.communicate(timeout=LONGEST_SECONDS)

    assert finishing.returncode == 0, err
    assert f"{ROWS:,} registered" in out
    results = results_of(file)
    assert [(result["row"], result["status"]) for result in results] == [(row, 201) for row in range(1, ROWS + 1)]
    assert len({result["id"] for result in results}) == ROWS
    assert registrations(stack, emails) == Counter(emails)

    again = run_import(file, stack.command_url, stack)
    again.communicate(timeout=LONGEST_SECONDS)
    assert (again.returncode, results_of(file)) == (0, results)


@pytest.mark.parametrize("how", ["worker killed", "told to stop"])
def test_an_import_outlives_the_process_that_it_talks_to(
    stack: Stack, process: AppProcess, tmp_path: Path, how: str
) -> None:
    emails = addresses(ROWS)
    file = tmp_path / "users.ndjson"
    file.write_bytes(ndjson(emails))
    running = run_import(file, process.url, stack)
    eventually(lambda: rows_done(file) >= ROWS // 10, "some rows are done", LONGEST_SECONDS)

    if how == "worker killed":
        for worker in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(worker), signal.SIGKILL)
    else:
        process.stop()
        process.start()
    out, err = running.communicate(timeout=LONGEST_SECONDS)

    assert running.returncode == 0, err
    assert "trying again" in err
    assert f"{ROWS:,} registered" in out
    assert [result["row"] for result in results_of(file)] == list(range(1, ROWS + 1))
    assert registrations(stack, emails) == Counter(emails)


def test_rows_that_are_refused_are_told_by_kind_and_by_the_exit_status(stack: Stack, tmp_path: Path) -> None:
    [email] = addresses(1)
    file = tmp_path / "users.jsonl"
    file.write_bytes(ndjson([email, email]) + b'{"email": "x"}\n')

    running = run_import(file, stack.command_url, stack)
    out, _ = running.communicate(timeout=30)

    assert running.returncode == 1
    assert ["1", "registered"] in [line.split() for line in out.splitlines()]
    assert "value-taken" in out
    assert "invalid-request" in out
    assert [result["status"] for result in results_of(file)] == [201, 409, 400]


@pytest.mark.parametrize(
    ("name", "content", "url", "arguments", "complaint"),
    [
        ("users.csv", "mail\n", None, [], "column 'email' is missing"),
        ("users.txt", "", None, [], "--format is needed"),
        ("users.csv", "email\n", "http://127.0.0.1:9", ["--patience", "0"], "run the same command to go on"),
        ("users.csv", "email\n", None, ["--key", "a b"], "visible ASCII"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_line(
    stack: Stack, tmp_path: Path, name: str, content: str, url: str | None, arguments: list[str], complaint: str
) -> None:
    file = tmp_path / name
    file.write_text(content)

    running = run_import(file, url or stack.command_url, stack, *arguments)
    _, err = running.communicate(timeout=60)

    assert running.returncode == 2
    assert complaint in err
    assert "Traceback" not in err


def test_a_file_that_has_changed_is_not_gone_on_with(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "users.ndjson"
    file.write_bytes(ndjson(addresses(ROWS)))
    running = run_import(file, stack.command_url, stack)
    eventually(lambda: rows_done(file) > 0, "some rows are done", LONGEST_SECONDS)
    running.kill()
    running.communicate()
    # Other tests do not expect that users go on appearing.
    eventually(lambda: metric(stack.command_url, "writes_waiting") == 0, "what was in flight has landed")
    file.write_bytes(ndjson(addresses(1)))

    changed = run_import(file, stack.command_url, stack)
    _, err = changed.communicate(timeout=30)

    assert changed.returncode == 2
    assert "is not what it was" in err
