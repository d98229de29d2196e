"""That the guard notices what happens to real servers: restarted, wiped, promoted, and failed back to."""

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ReadOnlyError

from devstack import servers
from devstack.redis_server import RedisServer
from projector.guard import EpochOpener
from read_models import scripts, write_calls
from read_models.calls import Call, NotReady
from read_models.records import LivePointer
from read_models.write_calls import EventRef
from tests.integration.protocol.consumers import ConnectedStore, Consumer
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.script_edits import WITHOUT_GUARD, WITHOUT_REPLICATION_ID, Edit, edited
from tests.integration.protocol.servers import Server
from user_directory_events import EpochOpened, EpochOpenedData, new_event_id
from user_directory_events.timestamps import from_milliseconds

pytestmark = pytest.mark.redis

NOW = 4_102_444_800_000
LIVE = LivePointer(1, new_event_id(), complete=True)
USER = new_event_id()


class Directory:
    """One log of one partition, and whichever server serves its read models."""

    def __init__(self) -> None:
        self.log = SimulatedLog(Random(1), partitions=1, skew_ms=0)

    def open_epoch(self, server: Server) -> None:
        """Do what the projector does until the guard is ready."""
        consumer = Consumer(self.log, 0, server, LIVE, margin_ms=0)
        opener = EpochOpener(ConnectedStore(consumer), self._append)
        consumer.place()
        for _ in range(3):
            if opener.step(LIVE, lambda: None):
                return
            while (batch := consumer.prepare(NOW + 1000, most=500)) is not None:
                consumer.apply(batch)
        raise AssertionError("the guard is not ready")

    def _append(self, epoch: str) -> dict[int, int]:
        record = EpochOpened(id=new_event_id(), time=from_milliseconds(NOW), data=EpochOpenedData(epoch=epoch))
        return {0: self.log.append(0, record, NOW)}


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def primary() -> Iterator[RedisServer]:
    with servers.redis(persistent=True) as server:
        yield server


@pytest.fixture
def replica(primary: RedisServer) -> Iterator[RedisServer]:
    with servers.redis(replica_of=primary) as server:
        yield server


def read_models(server: RedisServer) -> Server:
    return Server(server.url, 0, "guarded")


def lets_write(server: RedisServer) -> bool:
    there = read_models(server)
    reserve = write_calls.reserve(
        there.keys,
        LIVE,
        "process",
        event_id=new_event_id(),
        user_id=new_event_id(),
        partition=0,
        version=0,
        unique_values=[],
        idempotency=None,
        lifetime_ms=10_000,
    )
    load = write_calls.load(there.keys, LIVE, "process", USER, None)
    may_load, may_reserve = answers(there, load), answers(there, reserve)
    assert may_load == may_reserve, "what may be decided on may be reserved, and nothing else"
    return may_reserve


def answers(server: Server, call: Call[Any]) -> bool:
    try:
        server.run(call)
    except NotReady:
        return False
    return True


def notices(server: RedisServer) -> bool:
    """Say whether nobody may write and the opener knows that it has to open an epoch."""
    return not lets_write(server) and read_models(server).store.guard_state(None) == "missing"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def promote(server: RedisServer) -> None:
    with Redis.from_url(server.url) as redis:
        redis.replicaof("NO", "ONE")


def follow(server: RedisServer, leader: RedisServer) -> None:
    with Redis.from_url(server.url) as redis:
        redis.replicaof("127.0.0.1", str(leader.port))


def in_step(server: RedisServer, leader: RedisServer) -> bool:
    """Say whether a replica holds all that its leader holds."""
    with Redis.from_url(server.url) as ours, Redis.from_url(leader.url) as theirs:
        there = ours.info("replication")
        if there["role"] != "slave" or there["master_link_status"] != "up":
            return False
        return bool(there["slave_repl_offset"] == theirs.info("replication")["master_repl_offset"])


def leave_out(patch: pytest.MonkeyPatch, edits: list[Edit]) -> None:
    for name, script in edited(edits).items():
        patch.setattr(scripts, name, script)


def test_a_server_lets_nobody_write_before_an_epoch_was_opened(primary: RedisServer, directory: Directory) -> None:
    assert notices(primary)
    directory.open_epoch(read_models(primary))
    assert lets_write(primary)


def test_a_restart_with_all_data_is_noticed(
    primary: RedisServer, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.open_epoch(read_models(primary))
    primary.restart()
    assert notices(primary)
    with monkeypatch.context() as patch:
        leave_out(patch, WITHOUT_GUARD)
        assert lets_write(primary), "the guard's record is there, so nothing but the server's identity tells"
    directory.open_epoch(read_models(primary))
    assert lets_write(primary)


def test_a_wiped_server_is_noticed(primary: RedisServer, directory: Directory) -> None:
    directory.open_epoch(read_models(primary))
    primary.restart(wipe=True)
    assert notices(primary)
    directory.open_epoch(read_models(primary))
    assert lets_write(primary)


def test_a_promoted_replica_is_noticed_while_the_deposed_primary_goes_on(
    primary: RedisServer, replica: RedisServer, directory: Directory
) -> None:
    directory.open_epoch(read_models(primary))
    until(lambda: in_step(replica, primary))
    with pytest.raises(ReadOnlyError):
        lets_write(replica)
    promote(replica)
    assert notices(replica)
    # What is reserved there is void from the new epoch's record on, and that is all that stops it.
    assert lets_write(primary)
    directory.open_epoch(read_models(replica))
    assert lets_write(replica)


def test_a_deposed_primary_calls_no_event_of_a_later_epoch_never_written(
    primary: RedisServer, replica: RedisServer, directory: Directory
) -> None:
    directory.open_epoch(read_models(primary))
    until(lambda: in_step(replica, primary))
    promote(replica)
    directory.open_epoch(read_models(replica))
    there = read_models(primary)
    newest = directory.log.partitions[0][-1].entry.record
    assert isinstance(newest, EpochOpened)
    event = EventRef(new_event_id(), USER, 1, 0, NOW + 10_000, newest.data.epoch)
    assert there.run(write_calls.outcome(there.keys, LIVE, event)).status == "pending"


def test_failing_back_to_the_same_process_is_noticed_by_its_replication_id(
    primary: RedisServer, replica: RedisServer, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.open_epoch(read_models(primary))
    until(lambda: in_step(replica, primary))
    promote(replica)
    follow(primary, replica)
    until(lambda: in_step(primary, replica))
    promote(primary)
    assert notices(primary)
    with monkeypatch.context() as patch:
        leave_out(patch, WITHOUT_REPLICATION_ID)
        assert lets_write(primary), "the process is the guard's, so nothing but the replication id tells"
    directory.open_epoch(read_models(primary))
    assert lets_write(primary)
