"""Whatever happens to processes, Redis and connections: each reader sees each accepted change once, in order."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from query_api.change_feed import ChangeFeed
from runtime.metrics import CHANGE_FEED_FALLEN_BEHIND
from tests.unit.query_api.feed_reader import Reader, in_order, seen, told
from tests.unit.query_api.memory_changes import MemoryChanges

READERS, PARTITIONS, BUFFER = 3, 2, 3

readers = st.integers(0, READERS - 1)
partitions = st.integers(0, PARTITIONS - 1)
steps = st.one_of(
    st.tuples(st.just("append"), partitions, st.integers(1, 8)),
    st.tuples(st.just("append"), partitions, st.integers(1, 8)),
    st.tuples(st.just("skip"), partitions),
    st.tuples(st.just("take"), readers),
    st.tuples(st.just("take"), readers),
    st.tuples(st.just("return"), readers, st.integers(0, 1)),
    st.tuples(st.just("run"), st.integers(1, 30)),
    st.tuples(st.just("outage"), st.booleans()),
    st.tuples(st.just("roll back"), partitions, st.integers(1, 5)),
    st.tuples(st.just("catch up")),
)


class Play:
    """Two processes over one log, and readers who come and go."""

    def __init__(self) -> None:
        self.changes = MemoryChanges(PARTITIONS)
        self.feeds = [
            ChangeFeed(self.changes, max_clients=99, buffer_events=BUFFER, heartbeat_seconds=60, poll_seconds=0)
            for _ in range(2)
        ]
        self.readers = [Reader() for _ in range(READERS)]
        self.newest = self.changes.positions

    async def begin(self) -> None:
        for reader in self.readers:
            await reader.connect(self.feeds[0])
            await reader.read(lambda reader=reader: bool(reader.messages))  # type: ignore[misc]

    async def play(self, step: Sequence[Any]) -> None:
        match step:
            case ("append", partition, count):
                self.catch_up()
                for _ in range(count):
                    self.changes.append(partition)
            case ("skip", partition):
                self.catch_up()
                self.changes.skip(partition)
            case ("take", number):
                self.readers[number].take()
            case ("return", number, to):
                await self.readers[number].disconnect()
                await self.readers[number].connect(self.feeds[to])
            case ("run", turns):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case _:
                self.play_in_redis(step)
        await asyncio.sleep(0)

    def play_in_redis(self, step: Sequence[Any]) -> None:
        match step:
            case ("outage", begins):
                self.changes.unavailable = begins
            case ("roll back", partition, count):
                self.changes.positions = list(self.newest)
                self.changes.positions[partition] = max(1, self.newest[partition] - count)
            case ("catch up",):
                self.catch_up()

    def catch_up(self) -> None:
        self.changes.positions = self.newest

    async def end(self) -> None:
        self.changes.unavailable = False
        self.catch_up()
        expected = self.changes.changes
        for reader in self.readers:
            # Woken, so that nobody waits for his next attempt to reach Redis.
            reader.client.wake()
            await reader.read(lambda reader=reader: len(reader.events) >= len(expected))  # type: ignore[misc]
        self.changes.append()
        for reader in self.readers:
            await reader.read(lambda reader=reader: len(reader.events) >= len(expected))  # type: ignore[misc]
            assert seen(reader) == told(expected)
            assert in_order(reader, expected)
            await reader.disconnect()
        for feed in self.feeds:
            await feed.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=40))
def test_each_reader_sees_each_change_once_and_in_order(played: list[Sequence[Any]]) -> None:
    async def play() -> None:
        game = Play()
        await game.begin()
        for step in played:
            await game.play(step)
        await game.end()

    asyncio.run(play())


def test_these_plays_reach_every_way_of_reading() -> None:
    """Else they would show less than they say."""
    ways: set[str] = set()
    before = CHANGE_FEED_FALLEN_BEHIND._value.get()

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.lists(steps, max_size=40))
    def collect(played: list[Sequence[Any]]) -> None:
        async def play() -> None:
            game = Play()
            await game.begin()
            for step in played:
                await game.play(step)
                for reader in game.readers:
                    ways.add("read models" if reader.client._place is None else "hub")
            await game.end()

        asyncio.run(play())

    collect()
    assert ways == {"read models", "hub"}
    assert CHANGE_FEED_FALLEN_BEHIND._value.get() > before
