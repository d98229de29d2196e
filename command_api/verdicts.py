"""Waiting for many verdicts at once: one wake-up, one question to Redis, for all that were given together."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from command_api.store import Store, StoreUnavailable
from read_models.write_calls import EventRef, Outcome

_POLL_SECONDS = 0.25
# Redis tells one outcome in 3 µs.
_MOST_IN_ONE_CALL = 128

Tell = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class _Expected:
    event: EventRef
    since: float
    until: float
    tell: Tell


class Verdicts:
    """Tells the outcomes of events as they become known; `run` does it until it is cancelled.

    As everywhere, the projector's message only wakes: what became of an event is asked, and asked again every 250 ms.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expected: dict[str, _Expected] = {}
        self._woken: dict[str, None] = {}
        self._something = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    def expect(self, event: EventRef, until: float, tell: Tell) -> None:
        """Have the outcome of an event told, once; at `until`, on the event loop's clock, though it be pending."""
        self._expected[event.event_id] = _Expected(event, self._clock(), until, tell)
        self._store.watch(event.event_id, self._wake)

    async def run(self) -> None:
        """Tell outcomes until cancelled."""
        polled_at = self._clock()
        while True:
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._something.wait()
            except TimeoutError:
                pass
            self._something.clear()
            asked, self._woken = self._woken, {}
            if (now := self._clock()) >= polled_at + _POLL_SECONDS:
                asked |= dict.fromkeys(e for e, one in self._expected.items() if one.since <= now - _POLL_SECONDS)
                polled_at = now
            await self._ask([self._expected[event_id] for event_id in asked if event_id in self._expected])

    def close(self) -> None:
        """Expect nothing any more."""
        for event_id in self._expected:
            self._store.unwatch(event_id)
        self._expected.clear()

    def _wake(self, event_id: str) -> None:
        self._woken[event_id] = None
        self._something.set()

    async def _ask(self, asked: list[_Expected]) -> None:
        for start in range(0, len(asked), _MOST_IN_ONE_CALL):
            some = asked[start : start + _MOST_IN_ONE_CALL]
            try:
                outcomes = await self._store.outcomes([one.event for one in some])
            except StoreUnavailable:
                outcomes = [Outcome("pending")] * len(some)
            for one, outcome in zip(some, outcomes, strict=True):
                if outcome.status != "pending" or self._clock() >= one.until:
                    del self._expected[one.event.event_id]
                    self._store.unwatch(one.event.event_id)
                    one.tell(outcome)
