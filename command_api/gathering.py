"""One call for what many tasks ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Gathered(Generic[Question, Answer]):
    """Puts the questions of one turn of the event loop in one call, in their order."""

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        """Take what answers many questions, as many answers in the same order."""
        self._ask = ask
        self._gathered: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Question) -> Answer:
        """Return the answer, or raise what the call raised.

        Who gives up before the turn ends is not asked for; after that the call goes on for the others.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((question, answer))
        if len(self._gathered) == 1:
            call = asyncio.create_task(self._call())
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return await answer

    async def _call(self) -> None:
        gathered, self._gathered = self._gathered, []
        asked = [(question, answer) for question, answer in gathered if not answer.done()]
        if not asked:
            return
        try:
            answers = await self._ask([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 - it is the answer
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), found in zip(asked, answers, strict=True):
            if not answer.done():
                answer.set_result(found)
