"""What the relay learns from the read models: accepted, void, and when nothing can be concluded."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from projector.relay_selection import LogEvent
from projector.relay_store import NotProjected, RelayStore
from projector.settings import ProjectorSettings, RelaySettings
from projector.store import ReadModelStore
from read_models.projector_calls import OtherLog
from tests.sample_events import EPOCH, NOW, deleted, epoch_opened, erased, registered, updated, user_id
from tests.small_projector import SmallProjector
from user_directory_events import UserEvent, new_event_id

pytestmark = pytest.mark.redis


class World:
    def __init__(self, redis_url: str) -> None:
        self.prefix = f"relay-store-{uuid.uuid4().hex[:12]}"
        common: Any = {"redis_url": redis_url, "redis_key_prefix": self.prefix}
        self.redis = Redis.from_url(redis_url)
        self.projector = SmallProjector(ReadModelStore(ProjectorSettings(**common)))
        self.settings = RelaySettings(**common)
        self.store = RelayStore(self.settings, self.projector.log_id)
        self.projector.append(epoch_opened(epoch=EPOCH), NOW)

    def append(self, event: UserEvent) -> LogEvent:
        return LogEvent(0, self.projector.append(event, NOW), NOW, event)

    def names(self) -> list[bytes]:
        return list(self.redis.scan_iter(match=f"{self.prefix}:*", count=1000))

    def close(self) -> None:
        if keys := self.names():
            self.redis.delete(*keys)
        self.projector.store.close()
        self.store.close()
        self.redis.close()


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    made = World(redis_url)
    yield made
    made.close()


def test_an_event_of_the_history_is_accepted_and_any_other_is_not(world: World) -> None:
    accepted = world.append(registered(1))
    void = world.append(updated(2, sequence=5, fields={"display_name": "Jo"}))
    world.projector.project()

    assert world.store.positions([0, 1]) == {0: 3}
    found = world.store.look([accepted, void])

    assert found.accepted == {(0, accepted.offset)}
    record = world.projector.store.load(world.projector._live, {0: [user_id(1)]})[0].records[user_id(1)]
    assert found.documents == {user_id(1): record.document}


def test_a_later_copy_of_an_accepted_event_is_not_accepted(world: World) -> None:
    first, copy = world.append(registered(1)), world.append(registered(1))
    world.projector.project()
    world.store.positions([0])

    assert world.store.look([copy]).accepted == frozenset()
    assert world.store.look([first, copy]).accepted == {(0, first.offset)}


def test_who_is_gone_has_no_document(world: World) -> None:
    events = [world.append(e) for e in (registered(1), deleted(2), registered(3, user=2), erased(4, user=2))]
    world.projector.project()
    world.store.positions([0])

    found = world.store.look(events)

    # The erasure forgot the registration before it.
    assert found.accepted == {(0, events[0].offset), (0, events[1].offset), (0, events[3].offset)}
    assert found.documents == {user_id(1): None, user_id(2): None}


def test_an_erasure_is_accepted_whatever_its_sequence(world: World) -> None:
    event = world.append(erased(9, sequence=9))
    world.projector.project()
    world.store.positions([0])

    assert world.store.look([event]).accepted == {(0, event.offset)}


def test_of_what_is_not_projected_nothing_is_concluded(world: World) -> None:
    known = world.append(registered(1))
    world.projector.project()
    later = world.append(updated(fields={"display_name": "Jo"}))
    assert world.store.positions([0]) == {0: 2}

    with pytest.raises(NotProjected):
        world.store.look([known, later])


def test_of_read_models_that_are_gone_nothing_is_concluded(world: World) -> None:
    event = world.append(registered(1))
    world.projector.project()
    world.store.positions([0])
    world.redis.delete(*world.names())

    with pytest.raises(NotProjected):
        world.store.look([event])
    assert world.store.positions([0]) == {}
    with pytest.raises(NotProjected):
        world.store.look([event])


def test_after_a_flip_the_live_generation_is_asked(world: World) -> None:
    event = world.append(registered(1))
    world.projector.project()
    world.store.positions([0])
    first, second = f"{world.prefix}:1".encode(), f"{world.prefix}:2".encode()
    for key in world.names():
        if key.startswith(first):
            world.redis.rename(key, key.replace(first, second, 1))
    world.redis.set(f"{world.prefix}:live", f"2 {world.projector.log_id} 1")

    with pytest.raises(NotProjected):
        world.store.look([event])
    assert world.store.positions([0]) == {0: 2}
    assert world.store.look([event]).accepted == {(0, event.offset)}


def test_the_read_models_of_another_log_are_refused(world: World) -> None:
    event = world.append(registered(1))
    world.projector.project()
    world.store.positions([0])
    world.redis.set(f"{world.prefix}:live", f"1 {new_event_id()} 1")

    with pytest.raises(OtherLog):
        world.store.look([event])
    with pytest.raises(OtherLog):
        world.store.positions([0])
