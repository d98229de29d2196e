"""A Redis primary with a replica, either of which can be the one or the other, and that can lose what it knew."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis

from devstack.redis_server import RedisServer
from devstack.servers import free_port
from tests.faults.driver.link import Address, Link

# A snapshot is a copy of the files while the server appends to them: nothing else may be done to them.
_OPTIONS = {
    "auto-aof-rewrite-percentage": "0",
    "repl-diskless-sync-delay": "0",
    "appendonly": "yes",
    "appendfsync": "everysec",
}
_TIMEOUT_SECONDS = 10


class RedisPair:
    """Two servers; whoever follows reaches the primary through `replication`."""

    def __init__(self, directory: Path, servers: tuple[RedisServer, RedisServer], replication: Link) -> None:
        self.servers = servers
        self.replication = replication
        self.primary, self.replica = servers
        self._snapshot = directory / "snapshot"

    @property
    def address(self) -> Address:
        """Return where the primary is."""
        return address(self.primary)

    def follow(self) -> None:
        """Let the replica follow the primary."""
        _ask(self.replica, "REPLICAOF", "127.0.0.1", str(self.replication.port))

    def promote(self) -> RedisServer:
        """Make the replica the primary; return the old one, which still believes to be one."""
        _ask(self.replica, "REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        return self.replica

    def take_snapshot(self) -> None:
        """Remember what the primary has on disk."""
        shutil.rmtree(self._snapshot, ignore_errors=True)
        shutil.copytree(self.primary.directory, self._snapshot)

    def restart(self, data: str) -> None:
        """Kill the primary, and start it with its data `kept`, `wiped`, or `older`: those of the snapshot."""
        self.primary.kill()
        if data != "kept":
            shutil.rmtree(self.primary.directory)
        if data == "older":
            shutil.copytree(self._snapshot, self.primary.directory)
        self.primary.start()
        self.primary.wait_ready()

    def restart_replica(self) -> None:
        """Start the replica again if it does not run, and let it follow."""
        if not self.replica.pid:
            self.replica.start()
            self.replica.wait_ready()
        self.follow()


def address(server: RedisServer) -> Address:
    """Return where a server listens."""
    return ("127.0.0.1", server.port)


@contextmanager
def redis_pair(directory: Path) -> Iterator[RedisPair]:
    """Run a primary and a replica until the block ends; start the link and call `follow` before use."""
    with ExitStack() as stack:
        pair = []
        for name in ("redis-a", "redis-b"):
            server = RedisServer(directory / name, port=free_port(), log=directory / f"{name}.log", options=_OPTIONS)
            server.name = name
            server.death_signal = signal.SIGKILL
            stack.callback(server.kill)
            server.start()
            server.wait_ready()
            pair.append(server)
        one, other = pair
        yield RedisPair(directory, (one, other), Link(address(one)))


def _ask(server: RedisServer, *command: str) -> None:
    with Redis.from_url(server.url, socket_timeout=_TIMEOUT_SECONDS) as client:
        client.execute_command(*command)
