"""Where the local stack lives and listens, from the environment.

Only the standard library: `status` and `stop` must work with a Python in which nothing is installed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError

_PORTS = {"KAFKA_PORT": 9092, "KAFKA_CONTROLLER_PORT": 9093, "REDIS_PORT": 6379}
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """The stack's own settings; the processes it starts read theirs from the same environment."""

    directory: Path
    """Data, logs and state (DEVSTACK_DIR)."""
    cache: Path
    """Downloads, kept by `reset` (DEVSTACK_CACHE)."""
    kafka_port: int
    kafka_controller_port: int
    redis_port: int
    kafka_bootstrap_servers: str | None
    """A running Kafka to use instead of an own one."""
    redis_url: str | None
    """A running Redis to use instead of an own one."""
    environ: Mapping[str, str]


def from_environ(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; an empty variable counts as unset.

    Raises:
        DevstackError: names every variable that is not a port.
    """
    given = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
    ports, faults = {}, []
    for name, default in _PORTS.items():
        try:
            ports[name] = port(given, name, default)
        except DevstackError as fault:
            faults.append(str(fault))
    if faults:
        raise DevstackError("; ".join(faults))
    directory = Path(given.get("DEVSTACK_DIR", "var")).expanduser().absolute()
    return Settings(
        directory=directory,
        cache=Path(given.get("DEVSTACK_CACHE", directory / "cache")).expanduser().absolute(),
        kafka_port=ports["KAFKA_PORT"],
        kafka_controller_port=ports["KAFKA_CONTROLLER_PORT"],
        redis_port=ports["REDIS_PORT"],
        kafka_bootstrap_servers=given.get("KAFKA_BOOTSTRAP_SERVERS"),
        redis_url=given.get("REDIS_URL"),
        environ=given,
    )


def port(environ: Mapping[str, str], name: str, default: int) -> int:
    """Read one port.

    Raises:
        DevstackError: it is not a number from 1 to 65535.
    """
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _HIGHEST_PORT):
        raise DevstackError(f"{name} must be a port from 1 to {_HIGHEST_PORT}, not {text!r}")
    return int(text)
