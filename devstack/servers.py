"""Private Kafka and Redis servers on free ports, for tests: to use, kill, freeze, restart and wipe.

A server is a `ManagedProcess`: `.process`, `.kill()`, `.pause()`, `.resume()`, `.stop()`, `.start()`,
`.wait_ready()`, and `.restart(wipe=...)` on the same address. On Linux it also dies with the thread that started it, so
start it from a thread that lives long enough.
"""

import random
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from devstack import settings
from devstack.kafka_server import KafkaServer
from devstack.process import ManagedProcess
from devstack.redis_server import RedisServer

# Below the ports that Linux gives to outgoing connections: a client that keeps trying to reach a killed server on such
# a port would sooner or later be connected to itself, and hold the port.
_PORTS = range(20000, 32000)
_PERSISTENT = {"appendonly": "yes", "appendfsync": "always"}


@contextmanager
def kafka(directory: Path | None = None, *, overrides: Mapping[str, str] | None = None) -> Iterator[KafkaServer]:
    """Run a Kafka of its own until the block ends.

    Args:
        directory: where its data lie and stay; by default a temporary one.
        overrides: properties of the broker's configuration.
    """
    with _directory(directory) as home:
        server = KafkaServer(
            home / "kafka",
            settings.from_environ().cache,
            port=free_port(),
            controller_port=free_port(),
            log=home / "kafka.log",
            say=print,
            overrides=overrides,
        )
        with running(server):
            yield server


@contextmanager
def redis(
    directory: Path | None = None,
    *,
    persistent: bool = False,
    replica_of: RedisServer | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[RedisServer]:
    """Run a Redis of its own until the block ends.

    Args:
        directory: where its data lie and stay; by default a temporary one.
        persistent: keep every write on disk, so that a kill loses nothing. Else a kill loses all, but for what a `SAVE`
            had written: then it comes back older.
        replica_of: the server to follow.
        options: options of redis.conf.
    """
    chosen = dict(_PERSISTENT) if persistent else {}
    if replica_of is not None:
        chosen |= {"replicaof": f"127.0.0.1 {replica_of.port}", "repl-diskless-sync-delay": "0"}
    with _directory(directory) as home:
        port = free_port()
        server = RedisServer(
            home / f"redis-{port}", port=port, log=home / f"redis-{port}.log", options=chosen | dict(options or {})
        )
        with running(server):
            yield server


def free_port() -> int:
    """Return a port on which nobody listens now."""
    while True:
        # The tests of two sessions draw from one range: no seed may make them draw alike.
        port = random.SystemRandom().choice(_PORTS)
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="devstack-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@contextmanager
def running(server: ManagedProcess) -> Iterator[None]:
    """Start a server, wait until it serves, and kill it when the block ends."""
    # Nobody wants a test's data, so nothing is gained by an orderly end.
    server.death_signal = signal.SIGKILL
    try:
        server.start()
        server.wait_ready()
        yield
    finally:
        server.kill()
