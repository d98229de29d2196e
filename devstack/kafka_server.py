"""A real Apache Kafka in KRaft mode: one node, broker and controller in one process, on loopback only."""

import base64
import logging
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from devstack import jars, java
from devstack.errors import DevstackError
from devstack.process import ManagedProcess

_HOST = "127.0.0.1"
_ANSWER_MS = 1500
_LOG4J = Path(__file__).with_name("log4j2.properties")
# Measured on two cores: the first compiler alone and the serial collector start a second sooner than the defaults and
# take half the processor time for each record, also after minutes of load.
_JVM_FLAGS = ("-Xmx768m", "-Xss512k", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the new broker waits until the old one's session is over: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # An erasure is cleaned out of the log in seconds, and the cleaner's buffer leaves the small heap to the rest.
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "33554432",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class KafkaServer(ManagedProcess):
    """Apache Kafka on its own directory; the first start formats it."""

    def __init__(
        self,
        directory: Path,
        cache: Path,
        *,
        port: int,
        controller_port: int,
        log: Path,
        say: Callable[[str], None] = lambda _: None,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("kafka", log)
        self.directory = directory
        self.port = port
        self._cache = cache
        self._say = say
        self._properties = _PROPERTIES | {
            "controller.quorum.bootstrap.servers": f"{_HOST}:{controller_port}",
            "listeners": f"PLAINTEXT://{_HOST}:{port},CONTROLLER://{_HOST}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{_HOST}:{port}",
            "log.dirs": str(directory / "data"),
            **(overrides or {}),
        }
        self._java: list[str] | None = None

    @property
    def bootstrap(self) -> str:
        """Return the address for clients."""
        return f"{_HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return self.bootstrap

    def prepare(self) -> None:
        """Find Java, fetch the jars; done once, and by `start` where it was not done before.

        Raises:
            DevstackError: one of them cannot be had.
        """
        if self._java is None:
            classpath = os.pathsep.join(map(str, jars.fetch(self._cache, self._say)))
            self._java = [
                str(java.find(self._say)),
                *_JVM_FLAGS,
                f"-Dlog4j2.configurationFile={_LOG4J}",
                "-cp",
                classpath,
            ]

    def command(self) -> list[str]:
        """Return the command of the broker, once its directory is formatted."""
        self.prepare()
        assert self._java is not None  # noqa: S101 - for the type checker: prepare() has set it
        configuration = self.directory / "server.properties"
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        formatted = self.directory / "formatted"
        if not formatted.exists():
            # A format that was cut short leaves a directory that neither starts nor can be formatted again.
            shutil.rmtree(self.directory / "data", ignore_errors=True)
            _format([*self._java, "kafka.tools.StorageTool"], configuration)
            formatted.touch()
        return [*self._java, "kafka.Kafka", str(configuration)]

    def ready(self) -> bool:
        """Tell whether a client gets the cluster's metadata."""
        return answers(self.bootstrap)

    def restart(self, *, wipe: bool = False) -> None:
        """Kill, forget every record where asked, start, and wait until it serves."""
        self.kill()
        if wipe:
            shutil.rmtree(self.directory)
        self.start()
        self.wait_ready()


def answers(bootstrap_servers: str) -> bool:
    """Tell whether a Kafka at these addresses gives a client its metadata."""
    # The client's own first attempts take longer than this when nobody listens.
    if not any(_listens(address) for address in bootstrap_servers.split(",")):
        return False
    from kafka.errors import KafkaError
    from kafka.net.compat import KafkaNetClient

    # What the client says about a broker that is still starting is no news.
    log = logging.getLogger("kafka")
    level = log.level
    log.setLevel(logging.CRITICAL)
    # Not the admin client: after a failed attempt it leaves its thread behind.
    client = KafkaNetClient(bootstrap_servers=bootstrap_servers.split(","))
    try:
        client.check_version(timeout_ms=_ANSWER_MS)
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        client.close()
        log.setLevel(level)


def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), 1).close()
    except (OSError, ValueError):
        return False
    return True


def _format(tool: Iterable[str], configuration: Path) -> None:
    cluster_id = _cluster_id()
    answer = subprocess.run(
        [*tool, "format", "--cluster-id", cluster_id, "--config", str(configuration), "--standalone"],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # a Ctrl-C must not cut it short
    )
    if answer.returncode:
        lines = (answer.stderr + answer.stdout).strip().splitlines() or ["it said nothing"]
        raise DevstackError(f"Kafka's directory {configuration.parent} could not be formatted: {lines[-1]}")


def _cluster_id() -> str:
    """Return a new cluster id: a UUID in base64, not beginning with a dash, which the tool would take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
