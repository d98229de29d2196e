"""Erased events get tombstones and are watched until they are gone, over a store and a log in memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from kafka.errors import KafkaError

from projector.compaction import CompactedLog
from projector.erasure import Eraser
from projector.store import ReadModelStore
from read_models.ids import shorten
from read_models.records import LivePointer
from runtime import metrics
from tests.sample_events import event_id

LIVE = LivePointer(1, "log", True)


class MemoryStore(ReadModelStore):
    def __init__(self) -> None:
        self.doomed_events: dict[int, dict[str, int]] = {}
        self.buried_events: dict[int, dict[str, int]] = {}
        self.pointer: LivePointer | None = LIVE
        self.rewritten: list[int] = []

    def live(self) -> LivePointer | None:
        return self.pointer

    def erasing(self, live: LivePointer, partitions: Sequence[int]) -> list[int]:
        assert live == LIVE
        return [p for p in partitions if self.doomed_events.get(p) or self.buried_events.get(p)]

    def rewrite_changes(self, live: LivePointer, partition: int) -> None:
        self.rewritten.append(partition)

    def doomed(self, live: LivePointer, partition: int) -> dict[str, int]:
        return dict(self.doomed_events.get(partition, {}))

    def buried(self, live: LivePointer, partition: int) -> dict[str, int]:
        return dict(self.buried_events.get(partition, {}))

    def bury(self, live: LivePointer, partition: int, events: Mapping[str, int]) -> None:
        for event in events:
            del self.doomed_events[partition][event]
        self.buried_events.setdefault(partition, {}).update(events)

    def forget_buried(self, live: LivePointer, partition: int, events: Sequence[str]) -> None:
        for event in events:
            del self.buried_events[partition][event]


class MemoryCompactedLog(CompactedLog):
    def __init__(self) -> None:
        self.buried: list[tuple[int, str]] = []
        self.ticks: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.holds = True
        self.broken = False

    def bury(self, partition: int, event_ids: Iterable[str]) -> None:
        if self.broken:
            raise KafkaError
        self.buried += [(partition, one) for one in event_ids]

    def tick(self, partition: int) -> None:
        self.ticks.append(partition)

    def still_holds(self, partition: int, offset: int) -> bool:
        self.asked.append((partition, offset))
        return self.holds


class World:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.log = MemoryCompactedLog()
        self.partitions = {0, 1}
        self.eraser = Eraser(
            self.store, self.log, lambda: self.partitions, tick_seconds=0.000001, on_failure=lambda _: None
        )

    def doom(self, partition: int, **events: int) -> None:
        found = {shorten(event_id(int(name[1:]))): offset for name, offset in events.items()}
        self.store.doomed_events.setdefault(partition, {}).update(found)


@pytest.fixture
def world() -> World:
    return World()


def left() -> dict[str, float]:
    """Return what the metric says of erased events, by stage."""
    (family,) = metrics.ERASED_EVENTS_LEFT.collect()
    return {sample.labels["stage"]: sample.value for sample in family.samples}


def test_doomed_events_get_a_tombstone_each_and_are_watched(world: World) -> None:
    world.doom(0, e1=3, e2=9)
    world.doom(1, e3=4)

    world.eraser.step()

    assert sorted(world.log.buried) == [(0, event_id(1)), (0, event_id(2)), (1, event_id(3))]
    assert world.store.doomed_events == {0: {}, 1: {}}
    assert world.log.asked == [(0, 9), (1, 4)]
    assert world.log.ticks == [0, 1]
    assert world.store.rewritten == [0, 1]


def test_what_compaction_has_removed_is_forgotten_and_ticked_no_more(world: World) -> None:
    world.doom(0, e1=3)
    world.eraser.step()
    world.log.holds = False
    world.eraser.step()

    assert world.store.buried_events == {0: {}}
    assert world.log.ticks == [0]
    world.eraser.step()
    assert len(world.log.asked) == 2


def test_other_projectors_partitions_are_left_to_them(world: World) -> None:
    world.doom(5, e1=3)

    world.eraser.step()

    assert (world.log.buried, world.log.ticks) == ([], [])


def test_an_event_without_a_tombstone_stays_doomed(world: World) -> None:
    world.doom(0, e1=3)
    world.log.broken = True
    with pytest.raises(KafkaError):
        world.eraser.step()
    assert world.store.doomed_events == {0: {shorten(event_id(1)): 3}}
    assert left() == {"doomed": 1, "buried": 0}

    world.log.broken = False
    world.eraser.step()
    assert world.log.buried == [(0, event_id(1))]
    assert left() == {"doomed": 0, "buried": 1}


def test_many_events_are_taken_in_turns(world: World) -> None:
    world.store.doomed_events[0] = {shorten(event_id(number)): number for number in range(1, 1201)}

    for buried in (500, 1000, 1200):
        world.eraser.step()
        assert len(world.log.buried) == buried
        assert left() == {"doomed": 1200 - buried, "buried": buried}


def test_an_empty_redis_has_nothing_to_erase(world: World) -> None:
    world.doom(0, e1=3)
    world.store.pointer = None

    world.eraser.step()

    assert world.log.buried == []


def test_an_unforeseen_error_ends_the_thread_and_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projector.erasure._STEP_EVERY_SECONDS", 0.001)
    told: list[Any] = []
    eraser = Eraser(world.store, world.log, lambda: 1 // 0, tick_seconds=1, on_failure=told.append)  # type: ignore[arg-type, return-value]
    eraser.start()
    eraser._thread.join(5)

    assert [type(error) for error in told] == [ZeroDivisionError]
