import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from runtime import context, logs
from runtime.settings import LogSettings
from runtime.startup import StartupError

RFC5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<host>\S+) (?P<app>\S+) (?P<pid>\d+)"
    r' (?P<msgid>\S{1,32}) (?P<data>-|\[ud@32473(?: [^ ="\]]{1,32}="(?:[^"\\\]]|\\["\\\]])*")+\]) (?P<message>.*)'
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    former = root.handlers[:], root.level, sys.excepthook
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, sys.excepthook = former


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "service.log"


def _configure(log_file: Path, **settings: Any) -> logging.Logger:
    logs.configure(LogSettings(log_file=str(log_file), **settings), "command-api")
    return logging.getLogger("command_api.writes")


def _records(log_file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines()]


def _messages(log_file: Path) -> list[re.Match[str]]:
    matches = [RFC5424.fullmatch(line) for line in log_file.read_text(encoding="utf-8").splitlines()]
    assert all(matches)
    return [match for match in matches if match]


def test_a_json_record_has_its_message_and_its_fields(log_file: Path) -> None:
    _configure(log_file).warning("lost %s", "race", extra={"reason": "epoch", "attempt": 2})
    (record,) = _records(log_file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record.pop("pid") > 0
    assert record == {
        "level": "warning",
        "logger": "command_api.writes",
        "message": "lost race",
        "process": "command-api",
        "reason": "epoch",
        "attempt": 2,
    }


@pytest.mark.parametrize("log_format", ["json", "rfc5424"])
def test_the_context_is_added_to_every_record(log_file: Path, log_format: str) -> None:
    log = _configure(log_file, log_format=log_format)

    def work() -> None:
        context.request_id.set("r-1")
        context.correlation_id.set("c-1")
        context.traceparent.set("00-aa-bb-01")
        log.info("x")

    copy_context().run(work)
    line = log_file.read_text(encoding="utf-8")
    assert all(value in line for value in ("r-1", "c-1", "00-aa-bb-01"))


@pytest.mark.parametrize("log_format", ["json", "rfc5424"])
def test_an_exception_is_a_field_of_one_line(log_file: Path, log_format: str) -> None:
    log = _configure(log_file, log_format=log_format)
    try:
        int("two\nlines")
    except ValueError:
        log.exception("failed")
    (line,) = log_file.read_text(encoding="utf-8").splitlines()
    assert "Traceback" in line
    assert "test_logs.py" in line


def test_a_json_record_survives_what_json_cannot_hold(log_file: Path) -> None:
    _configure(log_file).info("x", extra={"path": Path("/a"), "broken": "\ud800", "huge": 2**100})
    (record,) = _records(log_file)
    assert "/a" in record["path"]
    assert str(2**100) in record["huge"]


def test_fields_cannot_overwrite_what_every_record_has(log_file: Path) -> None:
    _configure(log_file).info("x", extra={"level": "none", "time": "never", "logger": "?"})
    (record,) = _records(log_file)
    assert (record["level"], record["logger"]) == ("info", "command_api.writes")
    assert record["time"] != "never"


@pytest.mark.parametrize(
    ("level", "severity"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_a_syslog_message_carries_its_severity(log_file: Path, level: str, severity: int) -> None:
    log = _configure(log_file, log_format="rfc5424", log_level="debug")
    log.log(logging.getLevelName(level.upper()), "hello")
    (message,) = _messages(log_file)
    assert int(message["pri"]) == 16 * 8 + severity
    assert (message["app"], message["msgid"], message["data"]) == ("command-api", "command_api.writes", "-")
    assert message["message"] == "hello"


def test_structured_data_is_escaped(log_file: Path) -> None:
    log = _configure(log_file, log_format="rfc5424")
    log.info("näme\nof\tone", extra={"quoted": 'a"b\\c]d', "lines": "one\ntwo", 'na me="]': 1})
    (message,) = _messages(log_file)
    assert r'quoted="a\"b\\c\]d"' in message["data"]
    assert 'lines="one#012two"' in message["data"]
    assert 'na_me___="1"' in message["data"]
    assert message["message"] == "näme#012of#011one"


def test_a_file_that_is_moved_away_loses_no_line(log_file: Path) -> None:
    log = _configure(log_file)
    write = logs.line_writer("access")
    log.info("first")
    log_file.rename(log_file.with_suffix(".1"))
    write("second", {})
    log.info("third")
    assert [record["message"] for record in _records(log_file.with_suffix(".1"))] == ["first"]
    assert [record["message"] for record in _records(log_file)] == ["second", "third"]


@pytest.mark.parametrize("log_format", ["json", "rfc5424"])
def test_the_fast_writer_writes_what_the_logger_would(log_file: Path, log_format: str) -> None:
    _configure(log_file, log_format=log_format)
    logging.getLogger("access").info("request", extra={"status": 200})
    logs.line_writer("access")("request", {"status": 200})
    first, second = (re.sub(r"\d\d:\d\d\.\d{3}Z", "", line) for line in log_file.read_text().splitlines())
    assert first == second


def test_the_fast_writer_needs_a_configured_process() -> None:
    logging.getLogger().handlers = [logging.NullHandler()]
    with pytest.raises(TypeError):
        logs.line_writer("access")


def test_the_level_is_respected_and_libraries_are_quieter(log_file: Path) -> None:
    log = _configure(log_file, log_level="info")
    log.debug("no")
    logging.getLogger("kafka.conn").info("no")
    logging.getLogger("kafka.conn").warning("yes")
    assert [record["message"] for record in _records(log_file)] == ["yes"]


def test_configuring_again_replaces_the_former_output(log_file: Path) -> None:
    _configure(log_file)
    _configure(log_file).info("once")
    assert len(_records(log_file)) == 1


def test_a_file_that_cannot_be_written_is_a_startup_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot write LOG_FILE"):
        _configure(tmp_path / "missing" / "x.log")


@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_uncaught_exception_is_one_record(where: str) -> None:
    raising = "threading.Thread(target=lambda: 1 / 0).start()" if where == "thread" else "1 / 0"
    program = f"""
import threading
from runtime import logs
from runtime.settings import LogSettings
logs.configure(LogSettings(), "projector")
{raising}
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    (record,) = map(json.loads, ended.stdout.splitlines())
    assert (record["level"], record["exception"]) == ("critical", "ZeroDivisionError")
    assert ended.stderr == ""
    assert ended.returncode == (0 if where == "thread" else 1)
