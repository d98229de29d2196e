"""Waiting for verdicts, in one place for all writes of the process: what is woken together is asked for together."""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from command_api.store import Store, StoreUnavailable
from read_models.write_calls import EventRef, Outcome

_POLL_SECONDS = 0.25
_LAST_ANSWER_SECONDS = 0.5

_PENDING = Outcome("pending")

Tell = Callable[[Outcome | Exception], None]
"""Takes the outcome, or what went wrong unforeseen while it was asked for."""


@dataclass(eq=False, slots=True)
class Expected:
    """Somebody who waits for the outcome of an event; times are of the event loop's clock.

    `let_go` is when they are told `pending`, should the last question have no answer by then.
    """

    event: EventRef
    since: float
    until: float
    tell: Tell
    let_go: float = math.inf


class Verdicts:
    """Tells the outcomes of events as they become known.

    The projector's message only wakes: what became of an event is asked, after a message, after the channel was lost,
    and every 250 ms. One question is under way at a time; whose event is woken meanwhile is in the next.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expected: dict[str, list[Expected]] = {}
        self._woken: dict[str, None] = {}
        self._asking: asyncio.Task[None] | None = None
        self._poll: asyncio.TimerHandle | None = None
        store.on_wake = self._wake

    async def settled(self, event: EventRef, *, until: float, ask_first: bool) -> Outcome:
        """Wait until the outcome of an event is known, or until a time of the event loop's clock.

        Args:
            event: the event.
            until: when to ask for the last time; the outcome is then `pending`, at the latest after another second.
            ask_first: whether the outcome may be there already, as it is not right after an append.
        """
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def tell(outcome: Outcome | Exception) -> None:
            if told.done():
                return
            if isinstance(outcome, Exception):
                told.set_exception(outcome)
            else:
                told.set_result(outcome)

        expected = self.expect(event, until, tell, ask_first=ask_first)
        try:
            return await told
        finally:
            self.forget(expected)

    def expect(self, event: EventRef, until: float, tell: Tell, *, ask_first: bool = False) -> Expected:
        """Have the outcome of an event told, once, as `settled` would return it; `forget` ends it."""
        loop = asyncio.get_running_loop()
        expected = Expected(event, loop.time(), until, tell)
        self._expected.setdefault(event.event_id, []).append(expected)
        if ask_first:
            self._wake([event.event_id])
        if self._poll is None:
            self._poll = loop.call_later(_POLL_SECONDS, self._ask_again)
        return expected

    def forget(self, expected: Expected) -> None:
        """Tell somebody nothing any more; they may have been told."""
        waiting = self._expected.get(expected.event.event_id, [])
        if expected in waiting:
            waiting.remove(expected)
            if not waiting:
                del self._expected[expected.event.event_id]

    async def close(self) -> None:
        """Tell nobody anything any more."""
        self._expected.clear()
        self._woken.clear()
        if self._poll is not None:
            self._poll.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _wake(self, event_ids: Iterable[str] | None) -> None:
        """Ask what became of these events, as far as somebody waits for them; None: of all."""
        ids = self._expected if event_ids is None else event_ids
        self._woken |= {event_id: None for event_id in ids if event_id in self._expected}
        if self._woken and self._asking is None:
            self._asking = asyncio.create_task(self._ask())

    def _ask_again(self) -> None:
        """Ask for those who have waited for some time already, and a last time for those whose time is up."""
        now = asyncio.get_running_loop().time()
        overdue = []
        for waiting in list(self._expected.values()):
            for one in list(waiting):
                if one.let_go <= now:
                    self._tell(one, _PENDING)
                    continue
                if one.until <= now:
                    one.let_go = min(one.let_go, now + _LAST_ANSWER_SECONDS)
                if min(one.until, one.since + _POLL_SECONDS) <= now:
                    overdue.append(one.event.event_id)
        self._poll = None
        if self._expected:
            self._poll = asyncio.get_running_loop().call_later(_POLL_SECONDS, self._ask_again)
        if overdue:
            self._wake(overdue)

    async def _ask(self) -> None:
        try:
            while self._woken:
                woken, self._woken = self._woken, {}
                if events := [self._expected[event_id][0].event for event_id in woken if event_id in self._expected]:
                    await self._ask_for(events)
        finally:
            self._asking = None

    async def _ask_for(self, events: list[EventRef]) -> None:
        asked_at = asyncio.get_running_loop().time()
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await self._store.outcomes(events)
        except StoreUnavailable:
            outcomes = [_PENDING] * len(events)
        except Exception as error:  # noqa: BLE001 - it is the answer
            outcomes = [error] * len(events)
        for event, outcome in zip(events, outcomes, strict=True):
            for one in self._expected.get(event.event_id, [])[:]:
                if outcome != _PENDING or one.until <= asked_at:
                    self._tell(one, outcome)

    def _tell(self, expected: Expected, outcome: Outcome | Exception) -> None:
        self.forget(expected)
        expected.tell(outcome)
