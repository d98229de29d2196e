"""The two shapes of a log line: a JSON object, or an RFC 5424 syslog message. Both carry the same fields."""

import logging
import os
import re
import socket
import time
import traceback
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any, Final

import orjson

from runtime import context

_STANDARD_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_EXC_INFO = tuple[type[BaseException], BaseException, TracebackType | None]


class LineFormatter(logging.Formatter):
    """Render records, or bare fields on the hot path, as one line each."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Render a record: its message, its `extra` fields, what the context knows, and the traceback as a field."""
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
        if record.exc_info and record.exc_info[0] is not None:
            fields.update(_exception_fields(record.exc_info))
        elif record.stack_info:
            fields["stack"] = record.stack_info
        return self.line(record.created, record.levelno, record.name, record.getMessage(), fields)

    def line(self, created: float, level: int, logger: str, message: str, fields: Mapping[str, Any]) -> str:
        """Render one line, without its end."""
        raise NotImplementedError

    def timestamp(self, created: float) -> str:
        """Write a time as RFC 3339 says, in UTC, to the millisecond."""
        second = int(created)
        cached = self._second
        # Hundreds of lines share a second; formatting it is the dearest part of a line.
        if cached[0] != second:
            cached = self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{cached[1]}.{int((created - second) * 1000):03d}Z"


class JsonFormatter(LineFormatter):
    """One JSON object a line."""

    def line(self, created: float, level: int, logger: str, message: str, fields: Mapping[str, Any]) -> str:
        """Render one line; the fixed names win over fields of the same name."""
        members = {
            "time": self.timestamp(created),
            "level": logging.getLevelName(level).lower(),
            "logger": logger,
            "message": message,
            "process": self._process,
            "pid": os.getpid(),
        }
        _add_context(members)
        for name, value in fields.items():
            members.setdefault(name, value)
        try:
            return orjson.dumps(members, default=str).decode()
        except orjson.JSONEncodeError:
            # A lone surrogate or a huge integer in a field must not cost the line.
            return orjson.dumps({name: ascii(value) for name, value in members.items()}).decode()


class Rfc5424Formatter(LineFormatter):
    """Syslog messages of RFC 5424, facility local0, the fields as structured data.

    A control character is written `#` and its octal code, as rsyslog does, so that a line stays a line.
    """

    # 32473 is the enterprise number that RFC 5612 reserves for examples and for those who have none.
    _SD_ID: Final = "ud@32473"
    _LOCAL0: Final = 16
    _SEVERITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    _DEBUG: Final = 7
    _CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
    _VALUE_ESCAPES: Final = re.compile(r'["\\\]]')
    _NOT_NAME: Final = re.compile(r'[^\x21-\x7e]|[="\]]')

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self._hostname = self._header(socket.gethostname(), 255)
        self._app_name = self._header(process, 48)

    def line(self, created: float, level: int, logger: str, message: str, fields: Mapping[str, Any]) -> str:
        """Render one line; MSGID is the logger's name."""
        severity = next((number for least, number in self._SEVERITIES if level >= least), self._DEBUG)
        parameters: dict[str, Any] = {}
        _add_context(parameters)
        parameters.update(fields)
        return (
            f"<{self._LOCAL0 * 8 + severity}>1 {self.timestamp(created)} {self._hostname} {self._app_name} "
            f"{os.getpid()} {self._header(logger, 32)} {self._structured_data(parameters)} {self._one_line(message)}"
        )

    def _structured_data(self, parameters: Mapping[str, Any]) -> str:
        if not parameters:
            return "-"
        rendered = "".join(
            f' {self._header(name, 32)}="{self._VALUE_ESCAPES.sub(_backslash, self._one_line(str(value)))}"'
            for name, value in parameters.items()
        )
        return f"[{self._SD_ID}{rendered}]"

    @classmethod
    @cache
    def _header(cls, text: str, longest: int) -> str:
        # Hosts, processes, loggers and field names: few, and the same on every line.
        return cls._NOT_NAME.sub("_", text)[:longest] or "-"

    @classmethod
    def _one_line(cls, text: str) -> str:
        if text.isprintable():
            return text
        clean = cls._CONTROL.sub(lambda match: f"#{ord(match[0]):03o}", text)
        return clean.encode("utf-8", "backslashreplace").decode()


def _backslash(match: re.Match[str]) -> str:
    return "\\" + match[0]


def _add_context(fields: dict[str, Any]) -> None:
    if request_id := context.request_id.get():
        fields["request_id"] = request_id
    if correlation_id := context.correlation_id.get():
        fields["correlation_id"] = correlation_id
    if traceparent := context.traceparent.get():
        fields["traceparent"] = traceparent
        fields["trace_id"] = context.trace_id_of(traceparent)


def _exception_fields(exc_info: _EXC_INFO) -> dict[str, str]:
    return {"exception": exc_info[0].__qualname__, "stack": "".join(traceback.format_exception(*exc_info)).rstrip()}
