"""The command API's store over dictionaries; tests/contract holds it to what the real one does."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from command_api.store import Store, StoreUnavailable
from read_models.calls import NotReady
from read_models.records import HistoryEntry
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    ReserveReply,
    Wanted,
)
from tests.memory_read_models import MemoryReadModels

T = TypeVar("T")


class MemoryStore(Store):
    """A store of its own over read models that others fill; `broken` makes it answer as one without Redis."""

    def __init__(self, models: MemoryReadModels, lifetime_ms: int = 10_000) -> None:
        self.models = models
        self.broken = False
        self._lifetime_of_events_ms = lifetime_ms
        self.on_wake = lambda _: None
        models.on_settled = self._settled

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    @property
    def log_id(self) -> str:
        return self.models.log_id

    async def load(self, user_id: str, idempotency: Idempotency | None) -> Loaded | DoneUnderKey | PendingUnderKey:
        return await self._ask(lambda: self.models.load_user(user_id, idempotency))

    async def reserve_all(self, wanted: Sequence[Wanted]) -> list[ReserveReply]:
        return await self._ask(
            lambda: [
                self.models.reserve(
                    event_id=one.event_id,
                    user_id=one.user_id,
                    partition=one.partition,
                    version=one.version,
                    unique_values=one.unique_values,
                    idempotency=one.idempotency,
                    lifetime_ms=self._lifetime_of_events_ms,
                )
                for one in wanted
            ]
        )

    async def release(self, partition: int, event_id: str) -> None:
        if not self.broken:
            self.models.release(event_id)

    async def outcomes(self, events: Sequence[EventRef]) -> list[Outcome]:
        return await self._ask(lambda: [self.models.outcome(event) for event in events])

    async def history(self, user_id: str, up_to: int) -> list[HistoryEntry]:
        return await self._ask(lambda: self.models.history_of(user_id)[:up_to])

    def _settled(self, event_ids: set[str]) -> None:
        # A message takes its time, in which the writer gets to wait for it.
        asyncio.get_running_loop().call_soon(self._woken, list(event_ids))

    async def _ask(self, action: Callable[[], T]) -> T:
        # A real store lets others run meanwhile.
        await asyncio.sleep(0)
        if self.broken:
            raise StoreUnavailable("Redis does not answer (ConnectionError)")
        try:
            return action()
        except NotReady:
            raise StoreUnavailable("the read models are being prepared") from None
