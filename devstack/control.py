"""`status`, `stop` and `reset`: look at a running stack from outside, and end it.

Only the standard library, as in `settings`.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from devstack.errors import DevstackError
from devstack.identity import signal_group
from devstack.settings import Settings
from devstack.state import Running, State, StateFile

_POLL_SECONDS = 0.05
# The supervisor's own limits add up to less.
_STOP_SECONDS = 120
_LEFTOVER_SECONDS = 30
_DATA = ("kafka", "redis", "log")


def status(settings: Settings, *, as_json: bool) -> int:
    """Print what runs; return 0 when the stack runs, else 1."""
    state = _running(settings.directory)
    processes = [process for process in state.processes if process.alive] if state else []
    if as_json:
        shown = [{"name": process.name, "pid": process.pid, "url": process.url} for process in processes]
        print(json.dumps({"processes": shown}))
    elif state:
        for process in processes:
            print(f"{process.name:12} {process.pid or 'not ours':>8}  {process.url}")
    else:
        print("Nothing is running: start it with `make run`")
    return 0 if state else 1


def stop(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Stop a running stack and wait for its end; stop what a killed one left behind.

    Raises:
        DevstackError: it does not end.
    """
    state = _running(settings.directory)
    if state is None:
        if not stop_leftovers(settings.directory, say):
            say("Nothing is running")
        return
    pid = state.supervisor.pid
    assert pid is not None  # noqa: S101 - for the type checker: a supervisor is always ours
    say(f"Stopping the stack (pid {pid}) ...")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _ended([state.supervisor], _STOP_SECONDS):
        raise DevstackError(f"The stack (pid {pid}) has not ended after {_STOP_SECONDS} s: end it with kill -9 {pid}")
    say("Stopped")


def reset(settings: Settings) -> None:
    """Stop, and delete all data and logs; downloads stay."""
    stop(settings)
    for name in _DATA:
        path = settings.directory / name
        if path.exists():
            shutil.rmtree(path)
    print(f"Deleted the data in {settings.directory}; the downloads in {settings.cache} stay")


def stop_leftovers(directory: Path, say: Callable[[str], None]) -> bool:
    """End the children of a supervisor that was killed, and tell whether there were any."""
    state = StateFile(directory).read()
    left = [process for process in state.processes if process.pid and process.alive] if state else []
    if left:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in left)
        say(f"Stopping what a killed run left behind: {names}")
        _signal(left, signal.SIGCONT)
        _signal(left, signal.SIGTERM)
        if not _ended(left, _LEFTOVER_SECONDS):
            _signal(left, signal.SIGKILL)
            _ended(left, _LEFTOVER_SECONDS)
    StateFile(directory).remove()
    return bool(left)


def _running(directory: Path) -> State | None:
    state = StateFile(directory).read()
    return state if state and state.supervisor.alive else None


def _ended(processes: Iterable[Running], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _signal(processes: Iterable[Running], number: int) -> None:
    for process in processes:
        if process.pid and process.alive:
            signal_group(process.pid, number)
