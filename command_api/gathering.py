"""One call for what many tasks ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Gathered(Generic[Question, Answer]):
    """Asks one question after the other in as few calls as possible, in their order.

    One call is under way at a time. What is asked in the same turn of the event loop, or while a call is under way,
    goes in the next one; or fails with that call, so that nobody waits for longer than one call that hangs.
    """

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        """Take what answers many questions, as many answers in the same order."""
        self._ask = ask
        self._gathered: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._calling: asyncio.Task[None] | None = None

    async def __call__(self, question: Question) -> Answer:
        """Return the answer, or raise what the call raised.

        Who gives up before the call is not asked for; after that it goes on for the others.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((question, answer))
        if self._calling is None:
            self._calling = asyncio.create_task(self._call())
        return await answer

    async def _call(self) -> None:
        try:
            while asked := self._take():
                try:
                    answers = await self._ask([question for question, _ in asked])
                except Exception as error:  # noqa: BLE001 - it is the answer
                    for _, answer in (*asked, *self._take()):
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    for (_, answer), found in zip(asked, answers, strict=True):
                        if not answer.done():
                            answer.set_result(found)
        finally:
            self._calling = None

    def _take(self) -> list[tuple[Question, "asyncio.Future[Answer]"]]:
        gathered, self._gathered = self._gathered, []
        return [(question, answer) for question, answer in gathered if not answer.done()]
