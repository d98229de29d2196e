"""Redis fails over to a replica that lags, while a rebuild is at work: in the end everything is right."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devstack.kafka_server import KafkaServer
from tests.e2e.processes import eventually
from tests.e2e.rebuilds import STARTS_WITHIN_SECONDS, import_users, pointer, redis_of, start
from tests.faults.driver.link import Link
from tests.faults.driver.redis_pair import RedisPair, redis_pair
from tests.faults.test_rebuild import USERS, ends_well, filling
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Switch:
    """A Redis pair behind one address for everybody, as a service or a virtual address is."""

    def __init__(self, pair: RedisPair, loop: asyncio.AbstractEventLoop) -> None:
        self.pair = pair
        self.service = Link(pair.address)
        self._loop = loop
        for link in self._links():
            asyncio.run_coroutine_threadsafe(link.start(), loop).result(10)
        pair.follow()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.service.port}/0"

    def lag(self) -> None:
        """Let the replica hear no more of what is written."""
        self._call(self.pair.replication.freeze)

    def fail_over(self) -> None:
        """Promote the replica and lead everybody to it; the old primary lives on, and follows."""
        self.pair.promote()
        self._call(lambda: self.service.retarget(self.pair.address))
        self._call(self.pair.replication.mend)
        self._call(lambda: self.pair.replication.retarget(self.pair.address))
        self.pair.restart_replica()

    def close(self) -> None:
        for link in self._links():
            asyncio.run_coroutine_threadsafe(link.close(), self._loop).result(10)

    def _links(self) -> list[Link]:
        return [self.service, self.pair.replication]

    def _call(self, act: Callable[[], None]) -> None:
        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    with redis_pair(tmp_path) as pair, _loop() as loop:
        switch = Switch(pair, loop)
        yield switch
        switch.close()


@pytest.fixture
def stack(kafka: KafkaServer, switch: Switch, tmp_path: Path) -> Iterator[Stack]:
    with running_stack(kafka.bootstrap, switch.url, tmp_path) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[Any]:
    with redis_of(stack) as client:
        yield client


def filled(client: Any, stack: Stack) -> int:
    values = client.mget([f"{stack.key_prefix}:2:partition:{partition}" for partition in range(4)])
    return sum(int(value.split()[0]) for value in values if value)


def replicated(client: Any) -> bool:
    return bool(client.wait(1, 100))


def test_redis_fails_over_while_a_generation_is_filled(stack: Stack, switch: Switch, client: Any) -> None:
    import_users(stack, USERS)
    rebuild = start(stack, "rebuild", PROJECTOR_BATCH_RECORDS="1")
    eventually(lambda: filling(client, stack), "it fills", STARTS_WITHIN_SECONDS)
    eventually(lambda: replicated(client), "the replica follows")
    switch.lag()
    before = filled(client, stack)
    eventually(lambda: filled(client, stack) > before + 20, "what the replica has not heard of is filled")
    assert pointer(client, stack, "beside").endswith(" filling")
    last = filled(client, stack)

    switch.fail_over()
    assert filled(client, stack) < last

    # It goes on from what the new primary knows, or says that it cannot.
    out, err = rebuild.communicate(timeout=240)
    assert rebuild.returncode in (0, 2), out + err
    assert "Traceback" not in err
    ends_well(stack, client)
