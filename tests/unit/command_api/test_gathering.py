"""What many tasks ask at the same time goes in one call, and each has its own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from command_api.gathering import Gathered


class Oracle:
    """Doubles numbers, once it is let; remembers what it was asked in each call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.called: asyncio.Queue[None] = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def ask(self, questions: Sequence[int]) -> list[int]:
        self.calls.append(list(questions))
        self.called.put_nowait(None)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [2 * question for question in questions]


async def test_what_is_asked_in_one_turn_is_one_call_and_each_has_its_answer() -> None:
    oracle = Oracle()
    gathered = Gathered(oracle.ask)

    assert await asyncio.gather(*(gathered(number) for number in range(5))) == [0, 2, 4, 6, 8]
    assert await gathered(7) == 14

    assert oracle.calls == [[0, 1, 2, 3, 4], [7]]


async def test_what_is_asked_while_a_call_is_under_way_is_the_next_call() -> None:
    oracle = Oracle()
    oracle.open.clear()
    gathered = Gathered(oracle.ask)
    first = asyncio.create_task(gathered(1))
    await oracle.called.get()
    later = [asyncio.create_task(gathered(number)) for number in (2, 3)]
    await asyncio.sleep(0)

    oracle.open.set()

    assert await asyncio.gather(first, *later) == [2, 4, 6]
    assert oracle.calls == [[1], [2, 3]]


async def test_what_is_asked_while_a_call_hangs_fails_with_it() -> None:
    oracle = Oracle()
    oracle.open.clear()
    oracle.error = LookupError("away")
    gathered = Gathered(oracle.ask)
    first = asyncio.create_task(gathered(1))
    await oracle.called.get()
    later = asyncio.create_task(gathered(2))
    await asyncio.sleep(0)

    oracle.open.set()

    assert [str(error) for error in await asyncio.gather(first, later, return_exceptions=True)] == ["away", "away"]
    assert oracle.calls == [[1]]
    oracle.error = None
    assert await gathered(3) == 6


async def test_what_the_call_raises_is_raised_to_everybody() -> None:
    oracle = Oracle()
    oracle.error = LookupError("away")
    gathered = Gathered(oracle.ask)

    answers = await asyncio.gather(gathered(1), gathered(2), return_exceptions=True)

    assert [str(answer) for answer in answers] == ["away", "away"]
    oracle.error = None
    assert await gathered(3) == 6


async def test_who_gives_up_before_the_call_is_not_asked_for() -> None:
    oracle = Oracle()
    gathered = Gathered(oracle.ask)
    tasks = [asyncio.create_task(gathered(number)) for number in (1, 2)]
    await asyncio.sleep(0)

    tasks[0].cancel()

    assert await tasks[1] == 4
    assert oracle.calls == [[2]]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_if_everybody_gives_up_nothing_is_asked() -> None:
    oracle = Oracle()
    gathered = Gathered(oracle.ask)
    task = asyncio.create_task(gathered(1))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])
    assert await gathered(2) == 4

    assert oracle.calls == [[2]]


@pytest.mark.parametrize("fails", [False, True])
async def test_who_gives_up_during_the_call_takes_nothing_from_others(fails: bool) -> None:
    oracle = Oracle()
    oracle.open.clear()
    oracle.error = LookupError("away") if fails else None
    gathered = Gathered(oracle.ask)
    tasks = [asyncio.create_task(gathered(number)) for number in (1, 2)]
    await oracle.called.get()

    tasks[0].cancel()
    oracle.open.set()

    if fails:
        with pytest.raises(LookupError):
            await tasks[1]
    else:
        assert await tasks[1] == 4
