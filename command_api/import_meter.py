"""Shows how an import goes: one line that changes on a terminal, a line now and then elsewhere."""

import time
from typing import Final, TextIO

from command_api.import_progress import Progress

_EVERY_SECONDS: Final = {True: 0.2, False: 10.0}
_BAR_CELLS: Final = 24


class Meter:
    """Tells rows, rate and the time that is left; by the file's bytes, as nobody knows how many rows it has."""

    def __init__(self, out: TextIO, progress: Progress) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._began = time.monotonic()
        self._first_row, self._first_offset = progress.row, progress.offset
        self._next = self._began if self._terminal else self._began + _EVERY_SECONDS[False]
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Show the progress if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS[self._terminal]
        seconds = max(now - self._began, 1e-6)
        rate = (progress.row - self._first_row) / seconds
        bytes_done = progress.offset - self._first_offset
        left = (progress.size - progress.offset) * seconds / bytes_done if bytes_done else 0.0
        share = progress.offset / progress.size if progress.size else 1.0
        failed = progress.outcomes.total() - progress.outcomes["registered"]
        text = f"{share:4.0%} {progress.row - 1:,} rows, {rate:,.0f}/s, {failed:,} refused, {_clock(left)} left"
        if not self._terminal:
            print(text, file=self._out, flush=True)
            return
        filled = int(share * _BAR_CELLS)
        self._write(f"[{'#' * filled:{_BAR_CELLS}}] {text}")

    def say(self, text: str) -> None:
        """Say something that stays."""
        self.end()
        print(f"import: {text}", file=self._out, flush=True)

    def end(self) -> None:
        """Leave the line that changes."""
        if self._width:
            self._write("")
            self._out.write("\r")
            self._width = 0

    def _write(self, text: str) -> None:
        print(f"\r{text:{self._width}}", end="", file=self._out, flush=True)
        self._width = len(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
