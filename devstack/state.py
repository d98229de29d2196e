"""What runs, written down for `status`, `stop` and the next `run`.

Only the standard library, as in `settings`.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from urllib.parse import urlsplit

from devstack import identity
from devstack.errors import DevstackError


@dataclass(frozen=True)
class Running:
    """One process; a pid and its start time name it for ever. A server that is not ours has neither."""

    name: str
    pid: int | None
    started: str | None
    url: str

    @property
    def alive(self) -> bool:
        """Tell whether it runs; a server that is not ours is taken at its word."""
        return self.pid is None or identity.same(self.pid, self.started)


@dataclass(frozen=True)
class State:
    """A supervisor and its children."""

    supervisor: Running
    processes: tuple[Running, ...]


class StateFile:
    """`devstack.json`: there from the first start of a child until the orderly end."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "devstack.json"

    def write(self, processes: Iterable[tuple[str, int | None, str]]) -> None:
        """Write down name, pid and address of each child of this process."""
        me = os.getpid()
        children = [
            Running(name, pid, identity.started(pid) if pid else None, without_password(url))
            for name, pid, url in processes
        ]
        state = State(Running("devstack", me, identity.started(me), ""), tuple(children))
        unfinished = self.path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(asdict(state), indent=2) + "\n")
        unfinished.replace(self.path)

    def read(self) -> State | None:
        """Return what was written last, or None where nothing readable is there."""
        try:
            stored = json.loads(self.path.read_text())
            return State(Running(**stored["supervisor"]), tuple(Running(**process) for process in stored["processes"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remove(self) -> None:
        """Forget it, at the orderly end."""
        self.path.unlink(missing_ok=True)


class Lock:
    """Held by the one supervisor of a directory as long as it lives, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "devstack.lock"
        self._file: TextIOWrapper | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            DevstackError: another supervisor has it, or the directory cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            raise DevstackError(
                f"{self._path.parent} cannot be written ({error.strerror}): make it writable, or name another "
                "folder in DEVSTACK_DIR"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise DevstackError(
                f"The stack in {self._path.parent} is running already: stop it with `make stop`, or run a second "
                "one with another DEVSTACK_DIR and other ports"
            ) from error
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def without_password(url: str) -> str:
    """Return the address without the credentials that a URL may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.username or parts.password else url
