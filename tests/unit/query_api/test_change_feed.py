"""Clients of the change feed: each change once, in order, however slow they are and wherever they come back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from query_api.change_client import MOST_BYTES_AT_ONCE, Wanted
from query_api.change_feed import ChangeFeed
from query_api.directory import Unavailable
from read_models.feed import FeedPosition
from runtime.metrics import CHANGE_FEED_CLIENTS, CHANGE_FEED_FALLEN_BEHIND
from runtime.problems import Problem
from tests.sample_events import user_id
from tests.unit.query_api.feed_reader import Reader, eventually, in_order, seen, told
from tests.unit.query_api.memory_changes import MemoryChanges, entry_of
from tests.unit.query_api.memory_directory import LOG_ID

BUFFER = 10
OTHER_LOG = LOG_ID.replace("1", "2")


def feed_of(
    changes: MemoryChanges, *, max_clients: int = 100, heartbeat_seconds: float = 60, poll_seconds: float = 0
) -> ChangeFeed:
    return ChangeFeed(
        changes,
        max_clients=max_clients,
        buffer_events=BUFFER,
        heartbeat_seconds=heartbeat_seconds,
        poll_seconds=poll_seconds,
    )


@pytest.fixture
def changes() -> MemoryChanges:
    return MemoryChanges()


@pytest.fixture
async def feed(changes: MemoryChanges) -> AsyncIterator[ChangeFeed]:
    made = feed_of(changes)
    yield made
    await made.close()


async def connected(feed: ChangeFeed, wanted: Wanted | None = None, last_id: str | None = None) -> Reader:
    reader = Reader(wanted)
    reader.last_id = last_id
    await reader.connect(feed)
    await reader.read(lambda: bool(reader.messages))
    return reader


def in_step(reader: Reader) -> bool:
    return reader.client._in_step


async def test_a_new_client_is_told_where_it_is_and_then_what_happens(changes: MemoryChanges, feed: ChangeFeed) -> None:
    changes.append()
    reader = await connected(feed)
    assert reader.last_id == str(await changes.now())
    assert reader.messages[0].retry is not None
    assert reader.messages[0].data is None

    later = [changes.append(number % 3) for number in range(5)]
    await reader.read(lambda: len(reader.events) == 5)

    assert seen(reader) == told(later)
    assert reader.last_id == str(await changes.now())


async def test_each_change_has_an_id_behind_which_a_client_goes_on(changes: MemoryChanges, feed: ChangeFeed) -> None:
    reader = await connected(feed)
    later = [changes.append(number % 3) for number in range(7)]
    await reader.read(lambda: len(reader.events) == 7)

    for number, event in enumerate(reader.events):
        resumed = await connected(feed, last_id=event.id)
        await resumed.read(lambda resumed=resumed, number=number: len(resumed.events) == 6 - number)  # type: ignore[misc]
        assert resumed.events == reader.events[number + 1 :] or seen(resumed) == seen(reader) - told(
            later[: number + 1]
        )


async def test_a_client_that_missed_more_than_the_memory_holds_gets_all_of_it(
    changes: MemoryChanges, feed: ChangeFeed
) -> None:
    reader = await connected(feed)
    await reader.disconnect()
    missed = [changes.append(number % 3) for number in range(30 * BUFFER)]

    await reader.connect(feed)
    await reader.read(lambda: len(reader.events) == len(missed))
    later = [changes.append(number % 3) for number in range(5)]
    await reader.read(lambda: len(reader.events) == len(missed) + 5)

    assert seen(reader) == told([*missed, *later])
    assert in_order(reader, [*missed, *later])


async def test_a_client_goes_on_at_another_process(changes: MemoryChanges, feed: ChangeFeed) -> None:
    other = feed_of(changes)
    await connected(other)
    reader = await connected(feed)
    expected = []
    for number in range(40):
        expected.append(changes.append(number % 3))
        if number % 7 == 0:
            await reader.read(lambda: len(reader.events) == len(expected))
        if number % 10 == 0:
            await reader.disconnect()
            await reader.connect(other if reader.feed is feed else feed)
    await reader.read(lambda: len(reader.events) == len(expected))

    assert seen(reader) == told(expected)
    assert in_order(reader, expected)
    await other.close()


async def test_a_client_that_has_seen_more_than_the_hub_gets_nothing_twice(changes: MemoryChanges) -> None:
    begin = str(await changes.now())
    missed = [changes.append(number % 3) for number in range(6)]
    feed = feed_of(changes, poll_seconds=0.3)
    quick = await connected(feed)
    await eventually(lambda: feed._hub.position is not None)
    missed += [changes.append(number % 3) for number in range(6)]
    reader = await connected(feed, last_id=begin)

    await reader.read(lambda: len(reader.events) == len(missed))
    await reader.read(lambda: reader.client._place is not None)
    assert not feed._hub.told, "the hub has not read them yet"
    assert not in_step(reader)
    await quick.read(lambda: len(quick.events) == 6)
    later = [changes.append(number % 3) for number in range(6)]
    await reader.read(lambda: len(reader.events) == len(missed) + len(later))

    assert seen(reader) == told([*missed, *later])
    assert in_step(reader)
    assert reader.last_id == str(await changes.now())
    await feed.close()


async def test_a_slow_client_costs_no_memory_and_loses_nothing(changes: MemoryChanges, feed: ChangeFeed) -> None:
    fallen_behind = CHANGE_FEED_FALLEN_BEHIND._value.get()
    slow, quick = await connected(feed), await connected(feed)
    expected = []
    for number in range(100):
        expected += [changes.append(partition) for partition in (0, 1, 1)]
        await quick.read(lambda: len(quick.events) == len(expected))  # noqa: B023 - called within this round
        assert len(feed._hub.told) < 2 * BUFFER + 3, number

    await slow.read(lambda: len(slow.events) == len(expected))
    expected.append(changes.append())
    await slow.read(lambda: len(slow.events) == len(expected))

    assert seen(slow) == told(expected)
    assert in_order(slow, expected)
    assert CHANGE_FEED_FALLEN_BEHIND._value.get() == fallen_behind + 1


async def test_what_leaves_in_one_piece_is_bounded(changes: MemoryChanges, feed: ChangeFeed) -> None:
    reader = await connected(feed)
    await eventually(lambda: feed._hub.position is not None)
    size = 5_000
    large = [changes.append(0, entry_of(number, kind="x" * size)) for number in range(BUFFER)]
    await eventually(lambda: len(feed._hub.told) == BUFFER)

    await reader.read(lambda: len(reader.events) == BUFFER)
    assert seen(reader) == told(large)
    assert reader.largest < MOST_BYTES_AT_ONCE + 2 * size + 1000

    resumed = await connected(feed, last_id=reader.messages[0].id)
    await resumed.read(lambda: len(resumed.events) == BUFFER)
    assert resumed.largest < MOST_BYTES_AT_ONCE + 2 * size + 1000


async def test_a_client_gets_the_types_and_the_user_that_it_wants(changes: MemoryChanges, feed: ChangeFeed) -> None:
    kinds = ("user.registered", "user.updated", "user.deleted")
    of_types = await connected(feed, Wanted(types=frozenset(kinds[:2])))
    of_user = await connected(feed, Wanted(user_id=user_id(1)))
    of_both = await connected(feed, Wanted(frozenset(kinds[1:]), user_id(2)))
    expected = [
        changes.append(user, entry_of(3 * user + at, kind=kind, user=user))
        for user in (1, 2)
        for at, kind in enumerate(kinds)
    ]

    await of_types.read(lambda: len(of_types.events) == 4)
    await of_user.read(lambda: len(of_user.events) == 3)
    await of_both.read(lambda: len(of_both.events) == 2)

    assert seen(of_types) == told([c for c in expected if c.entry.type != kinds[2]])
    assert seen(of_user) == told([c for c in expected if c.entry.user_id == user_id(1)])
    assert seen(of_both) == told([c for c in expected if c.entry.user_id == user_id(2) and c.entry.type != kinds[0]])


async def test_filters_hold_while_a_client_catches_up(changes: MemoryChanges, feed: ChangeFeed) -> None:
    begin = str(await changes.now())
    wanted = [changes.append(0, entry_of(number, user=number % 10)) for number in range(300)][3::10]

    reader = await connected(feed, Wanted(user_id=user_id(3)), begin)
    await reader.read(lambda: len(reader.events) == len(wanted))

    assert seen(reader) == told(wanted)


async def test_a_client_that_wants_little_is_told_how_far_it_is(changes: MemoryChanges) -> None:
    feed = feed_of(changes, heartbeat_seconds=0.05)
    reader = await connected(feed, Wanted(user_id=user_id(7)))
    for number in range(5):
        changes.append(number % 3)
    changes.skip(2)
    now = str(await changes.now())

    await reader.read(lambda: reader.last_id == now)

    assert not reader.events
    assert reader.messages[-1].comment == "heartbeat"
    await feed.close()


async def test_heartbeats_come_also_while_redis_does_not_answer(changes: MemoryChanges) -> None:
    feed = feed_of(changes, heartbeat_seconds=0.05)
    following, waiting = await connected(feed), None
    changes.unavailable = True
    waiting = await connected(feed, last_id=str(FeedPosition(LOG_ID, (0, 0, 0))))
    await following.read(lambda: len(following.messages) > 4)
    await waiting.read(lambda: len(waiting.messages) > 4)

    missed = [changes.append(number % 3) for number in range(5)]
    changes.unavailable = False

    for reader in (following, waiting):
        await reader.read(lambda reader=reader: len(reader.events) == len(missed))  # type: ignore[misc]
        assert seen(reader) == told(missed)
    await feed.close()


async def test_without_a_place_a_client_is_refused_while_redis_does_not_answer(
    changes: MemoryChanges, feed: ChangeFeed
) -> None:
    changes.unavailable = True

    with pytest.raises(Unavailable):
        await feed.connect(Wanted(), None)


async def test_who_was_away_too_long_is_told_to_load_again(changes: MemoryChanges, feed: ChangeFeed) -> None:
    begin = str(await changes.now())
    changes.append(1)
    changes.forget(1)
    now = str(await changes.now())

    reader = await connected(feed, last_id=begin)
    await reader.read(lambda: bool(reader.resets))
    later = changes.append(1)
    await reader.read(lambda: len(reader.events) == 2)

    assert [reset["reason"] for reset in reader.resets] == ["too-old"]
    assert reader.events[0].id == now
    assert seen(reader) == told([later])


async def test_who_was_at_another_log_is_told_to_load_again(changes: MemoryChanges, feed: ChangeFeed) -> None:
    following = await connected(feed)
    changes.log_id, changes.positions = OTHER_LOG, [5, 6, 7]
    returning = await connected(feed, last_id=f"{LOG_ID}.1.1.1")
    for reader in (following, returning):
        await reader.read(lambda reader=reader: bool(reader.resets))  # type: ignore[misc]
    later = changes.append(2)

    for reader in (following, returning):
        await reader.read(lambda reader=reader: len(reader.events) == 2)  # type: ignore[misc]
        assert [reset["reason"] for reset in reader.resets] == ["other-log"]
        assert reader.events[0].id == f"{OTHER_LOG}.5.6.7"
        assert seen(reader) == told([later])


async def test_the_changes_are_read_once_for_all(changes: MemoryChanges, feed: ChangeFeed) -> None:
    readers = [await connected(feed) for _ in range(50)]
    await eventually(lambda: feed._hub.position is not None)
    for reader in readers:
        await reader.read(lambda reader=reader: reader.client._place is not None)  # type: ignore[misc]
    reading = feed._changes = CountingChanges()

    expected = [changes.append(number % 3) for number in range(5)]
    for reader in readers:
        await reader.read(lambda reader=reader: len(reader.events) == 5)  # type: ignore[misc]
        assert seen(reader) == told(expected)

    assert reading.reads == 0


class CountingChanges(MemoryChanges):
    """What a client would read from by itself."""


async def test_nothing_is_read_while_there_is_no_client(changes: MemoryChanges, feed: ChangeFeed) -> None:
    reader = await connected(feed)
    await eventually(lambda: changes.reads > 3)

    await reader.disconnect()
    reads = changes.reads
    for _ in range(20):
        await asyncio.sleep(0)

    assert changes.reads == reads
    assert not feed._hub.told


async def test_there_are_at_most_so_many_clients(changes: MemoryChanges) -> None:
    feed = feed_of(changes, max_clients=2)
    first, _ = await connected(feed), await connected(feed)
    assert CHANGE_FEED_CLIENTS._value.get() == 2

    with pytest.raises(Problem) as refused:
        await feed.connect(Wanted(), None)
    assert (refused.value.status, int(refused.value.headers["Retry-After"]) > 0) == (503, True)

    await first.disconnect()
    await connected(feed)
    await feed.close()


async def test_when_the_process_stops_all_messages_end_and_nobody_is_taken(
    changes: MemoryChanges, feed: ChangeFeed
) -> None:
    following = await connected(feed)
    changes.unavailable = True
    waiting = await connected(feed, last_id=f"{LOG_ID}.0.0.0")

    feed.drain()
    feed.drain()

    for reader in (following, waiting):
        await reader.read(lambda reader=reader: reader.ended)  # type: ignore[misc]
    with pytest.raises(Unavailable):
        await feed.connect(Wanted(), None)
