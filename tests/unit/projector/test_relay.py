import threading
import time

import pytest
from kafka.errors import KafkaError
from redis.exceptions import RedisError

from projector.relay import Relay
from projector.settings import RelaySettings
from tests.sample_events import epoch_opened, registered, suspended, tick, updated
from tests.unit.projector.memory_topics import MemoryStore, MemoryTopics
from user_directory_events import encode

EVERYTHING = 1000


@pytest.fixture
def topics() -> MemoryTopics:
    return MemoryTopics()


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.projected = {0: EVERYTHING, 1: EVERYTHING}
    return made


@pytest.fixture
def relay(topics: MemoryTopics, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """Return a relay of batches of two that stops at the end of the script."""
    monkeypatch.setattr("projector.relay._RETRY_AFTER_SECONDS", 0)
    monkeypatch.setattr("projector.relay._UPKEEP_EVERY_SECONDS", 0)
    made = Relay(RelaySettings(relay_batch_events=2), store, topics.connect)
    topics.idle = made.stop
    return made


def run(topics: MemoryTopics, relay: Relay, rounds: int = 6) -> None:
    topics.script.extend([lambda: None] * rounds)
    relay.run()


def test_accepted_events_are_told_with_the_position_behind_them(relay: Relay, topics: MemoryTopics) -> None:
    topics.append(epoch_opened())
    topics.append(registered())
    topics.append(tick())
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay)

    assert [change.event.type for change in topics.changes] == ["user.registered"]
    assert topics.transactions == [(1, {0: 3})]
    assert topics.closed


def test_many_events_go_in_batches_each_with_its_position(relay: Relay, topics: MemoryTopics) -> None:
    for number in range(1, 6):
        topics.append(registered(number, user=number))
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay)

    assert topics.transactions == [(2, {0: 2}), (2, {0: 4}), (1, {0: 5})]


def test_only_what_the_projector_has_passed_is_told(relay: Relay, topics: MemoryTopics, store: MemoryStore) -> None:
    store.projected = {0: 1}
    topics.append(registered())
    topics.append(suspended())
    topics.script.append(lambda: topics.assign(0))
    run(topics, relay)
    assert topics.transactions == [(1, {0: 1})]
    assert relay.not_ready_because() is None

    store.projected = {0: 2}
    relay._stopping = False
    run(topics, relay)
    assert topics.transactions == [(1, {0: 1}), (1, {0: 2})]


def test_a_partition_that_is_not_projected_does_not_hold_up_another(
    relay: Relay, topics: MemoryTopics, store: MemoryStore
) -> None:
    store.projected = {1: EVERYTHING}
    topics.append(registered(1, user=1), partition=0)
    topics.append(registered(2, user=2), partition=1)
    topics.script.append(lambda: topics.assign(0, 1))

    run(topics, relay)

    assert topics.transactions == [(1, {1: 1})]


def test_void_events_are_passed_over(relay: Relay, topics: MemoryTopics, store: MemoryStore) -> None:
    store.void = {(0, 0)}
    topics.append(registered(1))
    topics.append(registered(2))
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay)

    assert [change.event.id for change in topics.changes] == [registered(2).id]
    assert topics.transactions == [(1, {0: 2})]


def test_what_is_no_event_is_passed_over(relay: Relay, topics: MemoryTopics) -> None:
    topics.append(b"no event")
    topics.append(None)
    topics.append(registered())
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay)

    assert topics.transactions == [(1, {0: 3})]


def test_a_newer_schema_stops_its_partition_alone(relay: Relay, topics: MemoryTopics) -> None:
    topics.append(registered(1))
    topics.append(encode(suspended())[1].replace(b"user.suspended/1", b"user.suspended/9"))
    topics.append(updated(3, fields={"display_name": "Jo"}))
    topics.append(registered(4, user=2), partition=1)
    topics.script.append(lambda: topics.assign(0, 1))

    run(topics, relay)

    assert topics.offsets == {0: 1, 1: 1}
    assert [change.event.id for change in topics.changes] == [registered(1).id, registered(4, user=2).id]
    assert "user.suspended/9 is not known" in (relay.not_ready_because() or "")
    topics.revoke(0)
    assert relay.not_ready_because() is None


def test_positions_alone_are_committed_from_time_to_time(
    relay: Relay, topics: MemoryTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.append(tick())
    topics.script.append(lambda: topics.assign(0))
    run(topics, relay)
    assert topics.transactions == []

    monkeypatch.setattr("projector.relay._COMMIT_EVERY_SECONDS", 0)
    relay._stopping = False
    run(topics, relay)
    assert topics.transactions == [(0, {0: 1})]


def test_a_transaction_that_failed_is_done_anew_from_what_is_committed(relay: Relay, topics: MemoryTopics) -> None:
    for number in range(1, 5):
        topics.append(registered(number, user=number))
    topics.failing.extend([None, KafkaError("lost")])
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay, rounds=8)

    assert topics.transactions == [(2, {0: 2}), (2, {0: 4})]
    assert relay.not_ready_because() is None


def test_a_transaction_that_was_committed_though_it_seemed_lost_is_not_done_again(
    relay: Relay, topics: MemoryTopics
) -> None:
    topics.append(registered(1))
    topics.append(registered(2, user=2))
    topics.append(registered(3, user=3))
    commit = topics.commit

    def committed_but_not_answered(*arguments: object) -> None:
        topics.commit = commit  # type: ignore[method-assign]
        commit(*arguments)  # type: ignore[arg-type]
        raise KafkaError("no answer")

    topics.commit = committed_but_not_answered  # type: ignore[method-assign, assignment]
    topics.script.append(lambda: topics.assign(0))

    run(topics, relay, rounds=8)

    assert topics.transactions == [(2, {0: 2}), (1, {0: 3})]


def test_without_redis_it_waits_and_says_so(relay: Relay, topics: MemoryTopics, store: MemoryStore) -> None:
    topics.append(registered())
    store.failing.extend([RedisError("away")] * 3)
    reasons: list[str | None] = []
    topics.script.append(lambda: topics.assign(0))
    topics.script.extend([lambda: reasons.append(relay.not_ready_because())] * 2)

    run(topics, relay)

    assert "RedisError away" in reasons
    assert topics.transactions == [(1, {0: 1})]
    assert relay.not_ready_because() is None


def test_what_a_revoked_partition_had_read_is_left_to_its_next_owner(
    relay: Relay, topics: MemoryTopics, store: MemoryStore
) -> None:
    store.projected = {}
    topics.append(registered())
    topics.script.extend([lambda: topics.assign(0), lambda: None, lambda: topics.revoke(0)])
    topics.script.append(lambda: store.projected.update({0: EVERYTHING}))

    run(topics, relay)

    assert topics.transactions == []


def test_no_more_is_read_of_a_partition_than_it_may_keep_waiting(
    relay: Relay, topics: MemoryTopics, store: MemoryStore
) -> None:
    store.projected = {}
    for number in range(1, 9):
        topics.append(registered(number, user=number))
    topics.script.append(lambda: topics.assign(0))
    run(topics, relay)
    assert topics.held == {0}

    store.projected = {0: EVERYTHING}
    relay._stopping = False
    run(topics, relay)
    assert topics.held == set()
    assert len(topics.changes) == 8


def test_a_loop_that_hangs_says_so_and_takes_it_back_when_it_goes_on(relay: Relay, topics: MemoryTopics) -> None:
    hangs, release = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert release.wait(10)

    relay._stuck_after = 0.2
    said: list[str | None] = []
    topics.script.extend([hang, lambda: said.append(relay.stuck_because())])
    loop = threading.Thread(target=relay.run)
    loop.start()
    try:
        assert hangs.wait(10)
        deadline = time.monotonic() + 10
        while relay.stuck_because() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        release.set()
        loop.join(10)

    assert not loop.is_alive()
    assert said == [None]
