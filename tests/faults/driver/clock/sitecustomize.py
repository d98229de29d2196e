"""Lets a Python process see another time than it is; Python imports this when it starts, if its folder is on the path.

Debian's faketime works for none of the processes: it breaks Python's sleep, Redis's allocator, and Kafka hangs with it.
"""

import os
import time
from pathlib import Path

_READ_EVERY_SECONDS = 0.5


class _Shift:
    """The number of seconds in a file, read again now and then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = float("-inf")
        self._seconds = 0.0

    def seconds(self) -> float:
        if time.monotonic() > self._read_at + _READ_EVERY_SECONDS:
            self._read_at = time.monotonic()
            self._seconds = float(self._file.read_text() or 0) if self._file.exists() else 0.0
        return self._seconds


if "CLOCK_SHIFT_FILE" in os.environ:
    _shift = _Shift(Path(os.environ["CLOCK_SHIFT_FILE"]))
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + _shift.seconds()
    time.time_ns = lambda: _time_ns() + round(_shift.seconds() * 1_000_000_000)
