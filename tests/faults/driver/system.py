"""What is tried: Kafka, Redis and several of each process of the product, every one behind links of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.kafka_server import KafkaServer
from devstack.servers import free_port
from devstack.table import APPS, App, AppProcess
from tests.faults.driver.brokers import Brokers, brokers
from tests.faults.driver.link import Link, own_loopback_address
from tests.faults.driver.redis_pair import RedisPair, redis_pair
from tests.stack import Stack

DEADLINE_SECONDS, SKEW_SECONDS, BUDGET_SECONDS = 3.0, 0.5, 2.0
_CLOCK = Path(__file__).parent / "clock"
_READY_ASKED, _READY_EVERY_SECONDS = 50, 0.2
# What the product lets one set is set so that a fault longer than the deadline still is a short one.
_SETTINGS = {
    "EVENT_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    "CLOCK_SKEW_SECONDS": str(SKEW_SECONDS),
    "WRITE_BUDGET_SECONDS": str(BUDGET_SECONDS),
    "DRAIN_SECONDS": "3",
    "LOG_LEVEL": "info",
    "ACCESS_LOG": "false",
}


@dataclass(frozen=True)
class Scale:
    """How many of each."""

    command_apis: int = 2
    query_apis: int = 2
    projectors: int = 2
    spare_projectors: int = 1
    brokers: int = 1


@dataclass
class Member:
    """One process of the product, and its links."""

    process: AppProcess
    redis: Link
    kafka: list[Link]
    clients: Link
    clock: Path
    """The file with the seconds that are added to its clock."""
    spare: bool = False
    wanted: bool = False
    """It should be running: if it is not, it ended by itself."""

    @property
    def name(self) -> str:
        """Name it."""
        return self.process.name

    @property
    def links(self) -> list[Link]:
        """Return all of its links."""
        return [self.redis, *self.kafka, self.clients]


class System:
    """All that runs; blocking calls are made on threads that live as long."""

    def __init__(self, redis: RedisPair, kafka: Brokers, members: list[Member], stack: Stack) -> None:
        self.redis = redis
        self.kafka = kafka
        self.members = members
        self.stack = stack
        # A process gets a signal when the thread that started it ends.
        self._threads = ThreadPoolExecutor(max_workers=16)
        self.redis_lock = asyncio.Lock()
        self.brokers_down: set[KafkaServer] = set()
        """Those that are not to be started again: somebody has just killed them."""

    def of(self, kind: str, *, spare: bool = False) -> list[Member]:
        """Return the processes of a kind."""
        return [m for m in self.members if m.name.startswith(kind) and m.spare == spare]

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Make a blocking call."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def start(self) -> None:
        """Start the links and the processes, and wait until all are ready."""
        for link in self.all_links():
            await link.start()
        await self.call(self.redis.follow)
        regular = [member for member in self.members if not member.spare]
        for member in regular:
            await self.start_member(member)
            if member.process.app.name == "projector":  # it makes the topics
                await self.until_ready(member)
                # Brokers that have not heard yet of the topics it has just made let it end; then it is started again.
                await self.revive()
        await asyncio.gather(*(self.call(member.process.wait_ready) for member in regular))

    async def start_member(self, member: Member) -> None:
        """Start a process; it need not be ready yet."""
        await self.call(member.process.start)
        member.wanted = True

    async def until_ready(self, member: Member) -> None:
        """Wait until a process is ready, for a while; it may end and be revived while stores are broken."""
        for _ in range(_READY_ASKED):
            if await self.call(member.process.ready):
                return
            await asyncio.sleep(_READY_EVERY_SECONDS)

    async def revive(self) -> list[str]:
        """Start again what ended by itself, as a supervisor does; return the last words of each."""
        for broker in self.kafka.servers:
            if broker not in self.brokers_down and broker.poll() is not None:
                await self.call(broker.start)
        ended = [member for member in self.members if member.wanted and member.process.poll() is not None]
        for member in ended:
            await self.start_member(member)
        return [f"{member.name}: {member.process.last_words()}" for member in ended]

    async def heal(self) -> None:
        """Mend everything, start what does not run, and wait until all is ready."""
        for link in self.all_links():
            link.mend()
        for broker in self.kafka.servers:
            broker.resume()
        for server in self.redis.servers:
            server.resume()
        for member in self.members:
            member.process.resume()
            member.clock.write_text("0")
        for broker in self.kafka.servers:
            if broker.poll() is not None:
                await self.call(broker.start)
        await asyncio.gather(*(self.call(broker.wait_ready) for broker in self.kafka.servers))
        await asyncio.gather(*(self.call(m.process.wait_ready, 90) for m in self.members if not m.spare))

    async def stop(self) -> None:
        """End the processes and cut the links."""
        await asyncio.gather(*(self.call(member.process.kill) for member in self.members))
        await asyncio.gather(*(link.close() for link in self.all_links()))
        self._threads.shutdown()

    def all_links(self) -> Iterable[Link]:
        """Return every link."""
        return [link for member in self.members for link in member.links] + [self.redis.replication]


@asynccontextmanager
async def running_system(
    directory: Path, scale: Scale, environ: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """Run it until the block ends.

    Args:
        directory: where data and logs go.
        scale: how many of each.
        environ: variables of the product's processes that differ from the usual.
    """
    kinds = ["projector"] * (scale.projectors + scale.spare_projectors)
    kinds += ["command-api"] * scale.command_apis + ["query-api"] * scale.query_apis
    with ExitStack() as stack:
        kafka = stack.enter_context(brokers(directory, scale.brokers, len(kinds)))
        redis = stack.enter_context(redis_pair(directory))
        copies = {"KAFKA_REPLICATION_FACTOR": "3", "KAFKA_MIN_INSYNC_REPLICAS": "2"} if scale.brokers > 1 else {}
        shared = Stack(kafka.bootstrap, redis.primary.url, directory, _SETTINGS | copies | dict(environ or {}))
        apps = {app.name: app for app in APPS}
        counts: dict[str, int] = {}
        members = []
        for slot, kind in enumerate(kinds):
            counts[kind] = counts.get(kind, 0) + 1
            spare = kind == "projector" and counts[kind] > scale.projectors
            members.append(_member(apps[kind], f"{kind}-{counts[kind]}", slot, kafka, redis, shared, spare=spare))
        system = System(redis, kafka, members, shared)
        try:
            await system.start()
            yield system
        finally:
            await system.stop()


def _member(app: App, name: str, slot: int, kafka: Brokers, redis: RedisPair, shared: Stack, *, spare: bool) -> Member:
    to_redis = Link(redis.address)
    host, port = own_loopback_address(), free_port()
    clock = shared.directory / f"{name}.clock"
    environ = shared.environ | {
        "REDIS_URL": f"redis://127.0.0.1:{to_redis.port}/0",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_of(slot),
        f"{app.prefix}_PORT": str(port),
        f"{app.prefix}_HOST": host,
        "PYTHONPATH": ":".join(filter(None, [str(_CLOCK), shared.environ.get("PYTHONPATH")])),
        "CLOCK_SHIFT_FILE": str(clock),
    }
    process = AppProcess(app, shared.directory / f"{name}.log", environ)
    process.name = name
    return Member(process, to_redis, list(kafka.slots[slot]), Link((host, port)), clock, spare)
