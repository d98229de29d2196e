"""The product's processes as shipped, for the tests that meet them over HTTP.

Each stack has topics, consumer group and key prefix of its own, so several share one Kafka and one Redis. A process is
a `ManagedProcess` of the devstack: `.url`, `.log`, `.kill()`, `.pause()`, `.resume()`, `.stop()`, `.start()`,
`.wait_ready()`.
"""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from command_api.settings import CommandSettings
from devstack.servers import free_port
from devstack.table import APPS, AppProcess
from projector.settings import ProjectorSettings, RelaySettings
from query_api.settings import QuerySettings
from runtime.settings import variable_name
from tests.guarded import Access, Open

_CLASSES = (CommandSettings, ProjectorSettings, QuerySettings, RelaySettings)
_SETTINGS = {variable_name(field) for settings in _CLASSES for field in settings.model_fields}
_TAIL_BYTES = 4000
_OPEN = Open()


class Stack:
    """The four processes on ports of their own; `environ` is what they were started with, but for how each gets in."""

    def __init__(
        self,
        kafka_bootstrap: str,
        redis_url: str,
        directory: Path,
        settings: Mapping[str, str],
        access: Access = _OPEN,
    ) -> None:
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.environ = {name: value for name, value in os.environ.items() if name not in _SETTINGS} | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "REDIS_URL": redis_url,
            "EVENTS_TOPIC": name,
            "QUARANTINE_TOPIC": f"{name}.quarantine",
            "CHANGES_TOPIC": f"{name}.changes",
            "USERS_TOPIC": f"{name}.users",
            "PROJECTOR_GROUP": name,
            "RELAY_GROUP": f"{name}-relay",
            "REDIS_KEY_PREFIX": name,
            "KAFKA_PARTITIONS": "4",
            "KAFKA_REPLICATION_FACTOR": "1",
            "KAFKA_MIN_INSYNC_REPLICAS": "1",
            "DRAIN_SECONDS": "5",
            "AUTH": "off",
            **{f"{app.prefix}_PORT": str(free_port()) for app in APPS},
            **settings,
        }
        self.directory = directory
        self._admitted = access.admit(self.environ)
        self.projector, self.command_api, self.query_api, self.relay = self.processes = [
            AppProcess(app, directory / f"{app.name}.log", self.environ_of(app.name)) for app in APPS
        ]

    def environ_of(self, name: str) -> dict[str, str]:
        """Return what a process is started with, by the name of its kind, and an operator's command under its name."""
        return self.environ | dict(self._admitted.get(name, {}))

    @property
    def command_url(self) -> str:
        """Return where the command API answers."""
        return self.command_api.url

    @property
    def query_url(self) -> str:
        """Return where the query API answers."""
        return self.query_api.url

    @property
    def projector_url(self) -> str:
        """Return where the projector's health and metrics are."""
        return self.projector.url

    @property
    def relay_url(self) -> str:
        """Return where the relay's health and metrics are."""
        return self.relay.url

    @property
    def events_topic(self) -> str:
        """Name the log's topic."""
        return self.environ["EVENTS_TOPIC"]

    @property
    def quarantine_topic(self) -> str:
        """Name the topic of what could not be applied."""
        return self.environ["QUARANTINE_TOPIC"]

    @property
    def changes_topic(self) -> str:
        """Name the public topic of accepted events."""
        return self.environ["CHANGES_TOPIC"]

    @property
    def users_topic(self) -> str:
        """Name the public topic of users' states."""
        return self.environ["USERS_TOPIC"]

    @property
    def key_prefix(self) -> str:
        """Return the first part of every Redis key."""
        return self.environ["REDIS_KEY_PREFIX"]

    def start(self) -> None:
        """Start every process, in no order where each may create the topics, and wait until all are ready."""
        for process in self.processes:
            process.start()
            if process is self.projector and self._admitted:
                process.wait_ready()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every process is ready.

        Raises:
            DevstackError: one ended, or is not ready in time.
        """
        for process in self.processes:
            process.wait_ready()

    def restart(self, process: AppProcess) -> None:
        """Kill one process, start it on the same address, and wait until it is ready."""
        process.kill()
        process.start()
        process.wait_ready()

    def stop(self) -> None:
        """End every process, all at once."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.stop()

    def tails(self) -> dict[str, str]:
        """Return the ends of the logs, by the processes' names."""
        found = {}
        for process in self.processes:
            if process.log.exists():
                found[process.name] = process.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        return found


@contextmanager
def running_stack(
    kafka_bootstrap: str, redis_url: str, directory: Path, access: Access = _OPEN, /, **settings: str
) -> Iterator[Stack]:
    """Run a stack until the block ends, and print the ends of its logs if the block fails.

    Args:
        kafka_bootstrap: a running Kafka.
        redis_url: a running Redis.
        directory: where the logs go, `<process>.log` each.
        access: what made both, where they ask for names.
        settings: variables of the environment, for all processes.
    """
    stack = Stack(kafka_bootstrap, redis_url, directory, settings, access)
    try:
        stack.start()
        yield stack
    except BaseException:
        for name, tail in stack.tails().items():
            print(f"--- {name}\n{tail}")
        raise
    finally:
        stack.stop()
