"""The relay against a real Kafka and a real Redis: what other systems read, whatever happens on the way."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from projector.relay import Relay
from projector.relay_selection import PublicChange, PublicState
from projector.relay_topics import PublicTopics
from tests.integration.relay.world import PARTITIONS, RelayWorld
from tests.sample_events import deleted, erased, registered, tick, updated, user_id
from user_directory_events import UserEvent
from user_directory_events.timestamps import ENDLESS

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


def person(user: int, *, sequence: int = 1) -> UserEvent:
    return registered(100 * user + sequence, user=user, email=f"p{user}@example.org", deadline=ENDLESS)


def change(user: int, sequence: int, **fields: object) -> UserEvent:
    return updated(100 * user + sequence, user=user, sequence=sequence, fields=fields, deadline=ENDLESS)


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_accepted_events_are_told_once_in_order_and_nothing_else(world: RelayWorld) -> None:
    accepted = [world.write(person(1)), world.write(person(2)), world.write(change(1, 2, display_name="Countess"))]
    world.append(accepted[0])
    world.append(change(2, 7, display_name="Nobody"))
    world.append(registered(990, user=3, epoch="another", deadline=ENDLESS))
    world.append(b"no event", partition=0)
    world.append(None, partition=1)
    world.append(tick(), partition=2)
    world.project()
    accepted.append(world.write(change(1, 3, display_name=None)))

    with world.relay():
        world.wait_for_changes(*accepted)

    told = world.changes()
    assert [e.data.changes() for e in told if e.subject == user_id(1) and e.type == "user.updated"] == [
        {"display_name": "Countess"},
        {"display_name": None},
    ]
    assert {user: state.version for user, state in world.users().items() if state} == {user_id(1): 3, user_id(2): 1}


def test_a_state_is_the_document_that_readers_get(world: RelayWorld) -> None:
    event = world.write(registered(5, user=1, fields={"attributes": {"a": None, "b": [1]}}, deadline=ENDLESS))

    with world.relay():
        world.wait_for_changes(event)

    live = world.models.begin(world.log_id, {})
    partition = next(p for p in range(PARTITIONS) if world.entries[p][1:])
    record = world.models.load(live, {partition: [user_id(1)]})[partition].records[user_id(1)]
    [(_, state)] = world.read(world.settings.users_topic)
    assert state.value == record.document
    assert dict(state.headers) == {"content-type": b"application/json"}


def test_the_deleted_and_the_erased_leave_a_tombstone(world: RelayWorld) -> None:
    events = [world.write(person(1)), world.write(person(2)), world.write(person(3))]
    with world.relay():
        world.wait_for_changes(*events)
        events.append(world.write(deleted(102, user=1, sequence=2, deadline=ENDLESS)))
        events.append(world.write(erased(202, user=2, sequence=2, deadline=ENDLESS)))
        world.wait_for_changes(*events)

    states = world.users()
    assert states[user_id(1)] is None
    assert states[user_id(2)] is None
    assert states[user_id(3)] is not None


def test_what_an_erasure_forgot_is_not_told_by_a_relay_that_comes_later(world: RelayWorld) -> None:
    world.write(person(1))
    world.write(change(1, 2, display_name="Countess"))
    erasure = world.write(erased(103, user=1, sequence=3, deadline=ENDLESS))

    with world.relay():
        world.wait_for_changes(erasure)

    assert world.users() == {user_id(1): None}
    assert b"p1@example.org" not in b"".join(record.value for _, record in world.read(world.settings.changes_topic))


def test_it_waits_for_the_projector(world: RelayWorld) -> None:
    first = world.write(person(1))
    with world.relay() as relay:
        world.wait_for_changes(first)
        world.append(second := change(1, 2, display_name="Countess"))
        eventually(lambda: any(reading.waiting for reading in relay._readings.values()))
        assert relay.not_ready_because() is None
        assert len(world.changes()) == 1

        world.project()
        world.wait_for_changes(first, second)


def test_a_relay_that_starts_again_goes_on_where_it_was(world: RelayWorld) -> None:
    events = [world.write(person(user)) for user in range(1, 6)]
    with world.relay():
        world.wait_for_changes(*events)
    events.append(world.write(change(1, 2, display_name="Countess")))
    with world.relay():
        world.wait_for_changes(*events)


def test_read_models_that_are_lost_and_filled_again_change_nothing(world: RelayWorld) -> None:
    events = [world.write(person(user)) for user in range(1, 6)]
    with world.relay() as relay:
        world.wait_for_changes(*events)
        world.wipe()
        for user in range(1, 6):
            events.append(change(user, 2, display_name="Countess"))
            world.append(events[-1])
        eventually(lambda: sum(len(reading.waiting) for reading in relay._readings.values()) == 5)
        assert len(world.changes()) == 5

        world.project()
        world.wait_for_changes(*events)


def test_a_redis_emptied_between_two_questions_does_not_make_events_void(world: RelayWorld) -> None:
    event = world.write(person(1))
    with world.relay() as relay:
        store = relay._store
        positions = store.positions

        def emptied_right_after(partitions: Any) -> Mapping[int, int]:
            found = positions(partitions)
            if found:
                store.positions = positions  # type: ignore[method-assign]
                world.wipe()
            return found

        store.positions = emptied_right_after  # type: ignore[method-assign, assignment]
        eventually(lambda: not world.redis.exists(world.models.keys.live))
        world.project()
        world.wait_for_changes(event)


def test_two_relays_share_the_partitions_and_one_takes_over_from_the_other(world: RelayWorld) -> None:
    events = [world.write(person(user)) for user in range(1, 9)]
    with world.relay("a") as first:
        world.wait_for_changes(*events)
        with world.relay("b") as second:
            eventually(lambda: 0 < len(second._readings) < PARTITIONS and 0 < len(first._readings) < PARTITIONS)
            events += [world.write(change(user, 2, display_name="Countess")) for user in range(1, 9)]
            world.wait_for_changes(*events)
        eventually(lambda: len(first._readings) == PARTITIONS)
        events += [world.write(change(user, 3, display_name=None)) for user in range(1, 9)]
        world.wait_for_changes(*events)


class FailingTopics(PublicTopics):
    """Loses its first transaction at the very end, once all is written."""

    failures = 1

    def commit(
        self, changes: Sequence[PublicChange], states: Sequence[PublicState], positions: Mapping[int, int]
    ) -> None:
        if changes and FailingTopics.failures:
            FailingTopics.failures -= 1
            producer = self._producer._producer
            assert producer is not None

            def fails() -> None:
                raise KafkaError("lost")

            producer._transaction_manager.begin_commit = fails
        super().commit(changes, states, positions)


def test_an_aborted_transaction_is_done_anew_and_seen_by_nobody(world: RelayWorld) -> None:
    FailingTopics.failures = 1
    events = [world.write(person(user)) for user in range(1, 6)]

    with world.relay(topics=FailingTopics):
        world.wait_for_changes(*events)

    assert FailingTopics.failures == 0
    # Twice in the topic, once for those who read what was committed.
    assert len(world.read(world.settings.changes_topic, "read_uncommitted")) == 10


class HeldTopics(PublicTopics):
    """Stands still before it sends its first transaction, with what was read long before, as a frozen process does."""

    def __init__(self, *arguments: Any, **callbacks: Any) -> None:
        super().__init__(*arguments, **callbacks)
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.outcome: Exception | None = None

    def commit(
        self, changes: Sequence[PublicChange], states: Sequence[PublicState], positions: Mapping[int, int]
    ) -> None:
        first = bool(changes) and not self.reached.is_set()
        if first:
            self.reached.set()
            assert self.go_on.wait(60)
        try:
            super().commit(changes, states, positions)
        except KafkaError as error:
            if first:
                self.outcome = error
            raise


def test_a_relay_that_lost_its_partitions_meanwhile_cannot_commit(world: RelayWorld) -> None:
    events = [world.write(person(user)) for user in range(1, 6)]
    made: list[HeldTopics] = []

    def held(*arguments: Any, **callbacks: Any) -> HeldTopics:
        made.append(HeldTopics(*arguments, **callbacks))
        return made[-1]

    with world.relay("a", topics=held) as zombie:
        eventually(lambda: bool(made) and made[0].reached.is_set())
        # It stops to be heard of, as if its machine were frozen.
        made[0]._consumer._coordinator._disable_heartbeat()
        with world.relay("b"):
            world.wait_for_changes(*events, seconds=40)
            made[0].go_on.set()
            eventually(lambda: made[0].outcome is not None)
            events += [world.write(change(user, 2, display_name="Countess")) for user in range(1, 6)]
            world.wait_for_changes(*events)
        assert zombie is not None


def test_without_a_generation_nothing_is_committed(world: RelayWorld) -> None:
    event = world.write(person(1))
    with world.relay() as relay:
        world.wait_for_changes(event)
        producer = relay._topics._producer
        offsets = {TopicPartition(world.settings.events_topic, 0): OffsetAndMetadata(0, "", -1)}
        with pytest.raises(KafkaError, match="left its group"):
            producer.commit([], offsets, ConsumerGroupMetadata(world.settings.relay_group))
        assert isinstance(relay, Relay)
