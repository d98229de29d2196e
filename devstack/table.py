"""The product's processes, one line each, and what the local stack sets for them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from devstack import settings
from devstack.process import ManagedProcess

# One node holds one copy of everything. Whatever the user sets wins.
# Everything listens on loopback, so no token is asked for.
DEFAULTS = {
    "KAFKA_PARTITIONS": "4",
    "KAFKA_REPLICATION_FACTOR": "1",
    "KAFKA_MIN_INSYNC_REPLICAS": "1",
    "AUTH": "off",
}
_PROBE_SECONDS = 2
# No proxy of the environment stands between this machine and itself.
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class App:
    """One process: `python -m` its words, answering on PREFIX_HOST and PREFIX_PORT."""

    name: str
    words: tuple[str, ...]
    prefix: str
    default_port: int
    after: tuple[str, ...]
    """Names of what must be ready before it starts."""
    shown: str = ""
    """What of it a user would open, as a path."""


# The projector makes the topics that the two APIs check at their start.
APPS = (
    App("projector", ("projector",), "PROJECTOR", 8003, after=("kafka", "redis"), shown="/metrics"),
    App("command-api", ("command_api",), "COMMAND_API", 8001, after=("projector",), shown="/docs"),
    App("query-api", ("query_api",), "QUERY_API", 8002, after=("projector",), shown="/docs"),
    App("relay", ("projector", "relay"), "RELAY", 8004, after=("projector",), shown="/metrics"),
)


class AppProcess(ManagedProcess):
    """One process of the table, in this Python."""

    def __init__(self, app: App, log: Path, environ: Mapping[str, str]) -> None:
        super().__init__(app.name, log, environ)
        self.app = app
        self.host = environ.get(f"{app.prefix}_HOST") or "127.0.0.1"
        self.port = settings.port(environ, f"{app.prefix}_PORT", app.default_port)
        # Requests in flight are given this long to finish, and the process a little more.
        self.stop_seconds = 5 + _seconds(environ.get("DRAIN_SECONDS"), 20)

    @property
    def url(self) -> str:
        """Return its address as a client on this machine uses it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - read, not bound
        return f"http://{host}:{self.port}"

    def command(self) -> list[str]:
        """Return the module's command line."""
        return [sys.executable, "-m", *self.app.words]

    def ready(self) -> bool:
        """Tell whether `/readyz` answers 200."""
        try:
            with _opener.open(Request(f"{self.url}/readyz"), timeout=_PROBE_SECONDS) as answer:  # noqa: S310 - always http
                return bool(answer.status == HTTPStatus.OK)
        except (OSError, HTTPException):
            return False


def _seconds(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default  # the process itself says what is wrong with it
