"""Waiting for verdicts: one question for all that are woken together, polls, and those who give up."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from command_api.store import StoreUnavailable
from command_api.verdicts import Verdicts
from read_models.write_calls import EventRef, Outcome
from tests.memory_read_models import MemoryReadModels
from tests.sample_events import EPOCH, event_id, user_id
from tests.unit.command_api.memory_store import MemoryStore

ACCEPTED = Outcome("accepted", 5)
PENDING = Outcome("pending")


class AskedStore(MemoryStore):
    """Answers what a test says, and remembers what was asked for in each call."""

    def __init__(self) -> None:
        super().__init__(MemoryReadModels())
        self.known: dict[str, Outcome] = {}
        self.asked: list[list[str]] = []
        self.called: asyncio.Queue[None] = asyncio.Queue()
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def outcomes(self, events: Sequence[EventRef]) -> list[Outcome]:
        self.asked.append([event.event_id for event in events])
        self.called.put_nowait(None)
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return [self.known.get(event.event_id, PENDING) for event in events]


@pytest.fixture
def store() -> AskedStore:
    return AskedStore()


@pytest.fixture
async def verdicts(store: AskedStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Verdicts]:
    monkeypatch.setattr("command_api.verdicts._POLL_SECONDS", 0.02)
    monkeypatch.setattr("command_api.verdicts._LAST_ANSWER_SECONDS", 0.05)
    made = Verdicts(store)
    yield made
    await made.close()


def ref(number: int) -> EventRef:
    return EventRef(event_id(number), user_id(number), 1, 0, 10_000, EPOCH)


def waiting(verdicts: Verdicts, *numbers: int, seconds: float = 5, ask_first: bool = False) -> list[asyncio.Task[Any]]:
    until = asyncio.get_running_loop().time() + seconds
    return [asyncio.create_task(verdicts.settled(ref(n), until=until, ask_first=ask_first)) for n in numbers]


async def test_what_is_woken_together_is_one_question(store: AskedStore, verdicts: Verdicts) -> None:
    tasks = waiting(verdicts, 1, 2, 3)
    await asyncio.sleep(0)
    store.known = {event_id(1): ACCEPTED, event_id(3): Outcome("void")}

    store.on_wake([event_id(3), event_id(9), event_id(1)])

    assert await tasks[0] == ACCEPTED
    assert await tasks[2] == Outcome("void")
    assert store.asked[0] == [event_id(3), event_id(1)]
    assert not tasks[1].done()
    tasks[1].cancel()


async def test_what_is_woken_while_a_question_is_under_way_is_in_the_next(
    store: AskedStore, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("command_api.verdicts._POLL_SECONDS", 5)
    tasks = waiting(verdicts, 1, 2)
    await asyncio.sleep(0)
    store.answers.clear()
    store.known = {event_id(1): ACCEPTED, event_id(2): ACCEPTED}
    store.on_wake([event_id(1)])
    await store.called.get()

    # Also the event that is being asked for: what comes of that may be older than the message.
    store.on_wake([event_id(1)])
    store.on_wake([event_id(2)])
    store.known[event_id(1)] = PENDING
    store.answers.set()

    assert await tasks[1] == ACCEPTED
    assert store.asked == [[event_id(1)], [event_id(1), event_id(2)]]
    assert not tasks[0].done()
    tasks[0].cancel()


async def test_a_lost_message_costs_a_poll(store: AskedStore, verdicts: Verdicts) -> None:
    tasks = waiting(verdicts, 1, 2)
    await asyncio.sleep(0)
    assert store.asked == []
    store.known = {event_id(1): ACCEPTED, event_id(2): ACCEPTED}

    assert await asyncio.gather(*tasks) == [ACCEPTED, ACCEPTED]
    assert store.asked == [[event_id(1), event_id(2)]]


async def test_after_a_break_of_the_channel_everybody_is_asked_for(
    store: AskedStore, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("command_api.verdicts._POLL_SECONDS", 5)
    tasks = waiting(verdicts, 1, 2)
    await asyncio.sleep(0)
    store.known = {event_id(1): ACCEPTED, event_id(2): ACCEPTED}

    store.on_wake(None)

    assert await asyncio.gather(*tasks) == [ACCEPTED, ACCEPTED]


async def test_who_does_not_wait_is_not_asked_for(store: AskedStore, verdicts: Verdicts) -> None:
    store.on_wake([event_id(1)])
    store.on_wake(None)
    await asyncio.sleep(0.05)

    assert store.asked == []


async def test_who_gives_up_is_forgotten_and_others_go_on(store: AskedStore, verdicts: Verdicts) -> None:
    gone, stays = waiting(verdicts, 1, 1)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    store.known = {event_id(1): ACCEPTED}

    store.on_wake([event_id(1)])

    assert await stays == ACCEPTED
    store.asked.clear()
    store.on_wake([event_id(1)])
    await asyncio.sleep(0.05)
    assert store.asked == []


async def test_who_gives_up_while_asked_for_takes_nothing_from_others(store: AskedStore, verdicts: Verdicts) -> None:
    gone, stays = waiting(verdicts, 1, 2)
    await asyncio.sleep(0)
    store.answers.clear()
    store.known = {event_id(1): ACCEPTED, event_id(2): ACCEPTED}
    store.on_wake([event_id(1), event_id(2)])
    await store.called.get()

    gone.cancel()
    store.answers.set()

    assert await stays == ACCEPTED


async def test_while_redis_is_away_nobody_is_told_anything_until_their_time_is_up(
    store: AskedStore, verdicts: Verdicts
) -> None:
    store.error = StoreUnavailable("away")
    patient = waiting(verdicts, 1, ask_first=True)
    started = asyncio.get_running_loop().time()

    assert await asyncio.gather(*waiting(verdicts, 1, seconds=0.05, ask_first=True)) == [PENDING]
    assert asyncio.get_running_loop().time() >= started + 0.05

    store.error, store.known = None, {event_id(1): ACCEPTED}
    assert await asyncio.gather(*patient) == [ACCEPTED]


async def test_a_redis_that_hangs_keeps_nobody_beyond_their_time(store: AskedStore, verdicts: Verdicts) -> None:
    store.answers.clear()

    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting(verdicts, 1, 2, seconds=0.05, ask_first=True)) == [PENDING, PENDING]
    assert len(store.asked) == 1


async def test_before_anybody_is_let_go_they_are_asked_for_once_more(store: AskedStore, verdicts: Verdicts) -> None:
    [task] = waiting(verdicts, 1, seconds=0)
    await asyncio.sleep(0)
    store.known = {event_id(1): ACCEPTED}

    assert await task == ACCEPTED


async def test_a_process_that_was_held_up_asks_before_it_lets_go(store: AskedStore, verdicts: Verdicts) -> None:
    [task] = waiting(verdicts, 1, seconds=0.01)
    await asyncio.sleep(0)
    store.known = {event_id(1): ACCEPTED}

    time.sleep(0.2)  # noqa: ASYNC251 - nothing of the process ran meanwhile

    assert await task == ACCEPTED


async def test_what_fails_unforeseen_is_told_to_who_was_asked_for(store: AskedStore, verdicts: Verdicts) -> None:
    store.error = AssertionError("unknown reply")

    for task in waiting(verdicts, 1, 2, ask_first=True):
        with pytest.raises(AssertionError, match="unknown reply"):
            await task

    store.error, store.known = None, {event_id(3): ACCEPTED}
    assert await asyncio.gather(*waiting(verdicts, 3, ask_first=True)) == [ACCEPTED]
