"""How a process begins and how it gives up: with one line that says what to do."""

import gc
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from runtime.settings import SettingsError

EXIT_CANNOT_START: Final = 2
_GC_THRESHOLDS: Final = (50_000, 20, 20)

_remembered: "list[StartupError]" = []


class StartupError(Exception):
    """The process cannot start; the message is one line that says what to do about it."""


def main(run: Callable[[], None]) -> None:
    """Run a process; turn what it cannot start with into one line on stderr and exit status 2.

    Every `__main__` calls it. Ctrl-C ends with the customary status 130; any other exception keeps its traceback.
    """
    try:
        run()
    except (StartupError, SettingsError) as error:
        print(f"{_program()}: {one_line(error)}", file=sys.stderr, flush=True)
        raise SystemExit(EXIT_CANNOT_START) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def quieten_collector() -> None:
    """Let the garbage collector look less often; a process calls it once it has built what stays to its end.

    That never goes away, so the collector need not look at it again; and neither requests nor records leave many cycles
    behind, so it need not look every 700 objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def one_line(error: Exception) -> str:
    """Give an error's message as a single line."""
    return " ".join(str(error).split())


def remember(error: StartupError) -> None:
    """Keep an error that has to cross a framework which would make a traceback of it."""
    _remembered.append(error)


def remembered() -> StartupError | None:
    """Give the error that `remember` kept, if any."""
    return _remembered[0] if _remembered else None


def _program() -> str:
    # `python -m command_api` has the path of command_api/__main__.py as its first argument.
    return PurePath(sys.argv[0]).parent.name or "user-directory"
