"""One Kafka broker, or three; each process reaches them through links of its own."""

import base64
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kafka import KafkaAdminClient

from devstack import settings
from devstack.errors import DevstackError
from devstack.kafka_server import KafkaServer
from devstack.servers import free_port
from tests.faults.driver.link import Link, own_loopback_address

_CLUSTER = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "min.insync.replicas": "2",
    # A follower that says nothing is given up after this long: 30 s by default.
    "replica.lag.time.max.ms": "3000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
}


class ClusterBroker(KafkaServer):
    """One of several nodes with a quorum that is fixed beforehand."""

    def __init__(
        self,
        directory: Path,
        number: int,
        cluster_id: str,
        port: int,
        controllers: Sequence[int],
        overrides: Mapping[str, str],
    ) -> None:
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1))
        super().__init__(
            directory / f"kafka-{number}",
            settings.from_environ().cache,
            port=port,
            controller_port=controllers[number - 1],
            log=directory / f"kafka-{number}.log",
            overrides=_CLUSTER | {"node.id": str(number), "controller.quorum.voters": voters} | dict(overrides),
        )
        self.name = f"kafka-{number}"
        self._cluster_id = cluster_id
        del self._properties["controller.quorum.bootstrap.servers"]

    def command(self) -> list[str]:
        """Format the directory as one node of the quorum at the first start; give it a smaller heap."""
        self.prepare()
        assert self._java is not None
        java = [("-Xmx512m" if word.startswith("-Xmx") else word) for word in self._java]
        configuration = self.directory / "server.properties"
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        if not (self.directory / "data" / "meta.properties").exists():
            shutil.rmtree(self.directory / "data", ignore_errors=True)
            tool = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", self._cluster_id]
            said = subprocess.run([*tool, "--config", str(configuration)], capture_output=True, text=True, check=False)
            if said.returncode:
                raise DevstackError(f"{self.name} could not be formatted: {said.stderr or said.stdout}")
        return [*java, "kafka.Kafka", str(configuration)]


class Brokers:
    """The brokers, and for each of some slots a link to each of them."""

    def __init__(self, servers: Sequence[KafkaServer], slots: Sequence[Sequence[Link]]) -> None:
        self.servers = servers
        self.slots = slots

    @property
    def bootstrap(self) -> str:
        """Return the addresses that bypass the links."""
        return ",".join(server.bootstrap for server in self.servers)

    def bootstrap_of(self, slot: int) -> str:
        """Return the addresses for the process that has a slot."""
        return ",".join(f"127.0.0.1:{link.port}" for link in self.slots[slot])

    def leader(self, topic: str) -> KafkaServer:
        """Return the broker that leads a topic's first partition."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
        (first,) = [p for p in described["partitions"] if p["partition_index"] == 0]
        return self.servers[int(first["leader_id"]) - 1]


@contextmanager
def brokers(directory: Path, count: int, slots: int) -> Iterator[Brokers]:
    """Run one broker or three until the block ends; the links are started by who uses them.

    Each slot is a listener of its own, whose advertised address is that of a link.
    """
    links: list[list[Link]] = [[] for _ in range(slots)]
    with ExitStack() as stack:
        servers: list[KafkaServer] = []
        controllers = [free_port() for _ in range(count)]
        host = own_loopback_address()
        cluster_id = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        for number in range(1, count + 1):
            inner = [free_port() for _ in range(slots)]
            outer = [Link((host, port)) for port in inner]
            for slot, link in enumerate(outer):
                links[slot].append(link)
            port = free_port()
            overrides = _listeners(port, controllers[number - 1], [f"{host}:{port}" for port in inner], outer)
            if count == 1:
                cache = settings.from_environ().cache
                server = KafkaServer(
                    directory / "kafka",
                    cache,
                    port=port,
                    controller_port=controllers[0],
                    log=directory / "kafka.log",
                    overrides=overrides,
                )
            else:
                server = ClusterBroker(directory, number, cluster_id, port, controllers, overrides)
            server.death_signal = signal.SIGKILL
            stack.callback(server.kill)
            server.start()
            servers.append(server)
        for server in servers:
            server.wait_ready()
        yield Brokers(servers, links)


def _listeners(port: int, controller_port: int, inner: Sequence[str], outer: Sequence[Link]) -> dict[str, str]:
    names = [f"SLOT{slot}" for slot in range(len(inner))]
    listeners = [f"PLAINTEXT://127.0.0.1:{port}", f"CONTROLLER://127.0.0.1:{controller_port}"]
    advertised = [f"PLAINTEXT://127.0.0.1:{port}"]
    for name, at, link in zip(names, inner, outer, strict=True):
        listeners.append(f"{name}://{at}")
        advertised.append(f"{name}://127.0.0.1:{link.port}")
    protocols = [f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *names)]
    return {
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(protocols),
    }
