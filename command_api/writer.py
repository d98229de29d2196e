"""The write protocol: decide, reserve, append, verdict; and again, while the budget lasts.

docs/architecture.md tells why it is right. One thing to keep in mind here: whatever goes wrong after `append` leaves
the outcome unknown, and only the log can tell.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from command_api.commands import Command, EraseUser, RegisterUser
from command_api.decide import Decision, UserGone, decide
from command_api.event_log import Append, EventLog, EventLogUnavailable
from command_api.settings import CommandSettings
from command_api.store import Store
from command_api.verdicts import Verdicts
from read_models.records import IdempotentOutcome, UserRecord
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Held,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    Taken,
    VersionMoved,
    Wanted,
)
from runtime import metrics
from user_directory_events import (
    CannotEvolve,
    Gone,
    UniqueField,
    User,
    UserEvent,
    UserRegisteredData,
    UserState,
    UserUpdatedData,
    comparable,
    evolve,
    partition_of,
)
from user_directory_events.codec import new_event_id
from user_directory_events.timestamps import from_milliseconds

_NO_RECORD = UserRecord(version=0, partition=0, offset=-1, presence="none")


class ValueTaken(Exception):
    """Another user owns a unique value."""

    def __init__(self, field: UniqueField) -> None:
        super().__init__(field)
        self.field = field


class KeyReused(Exception):
    """The idempotency key stands for another request."""


class BudgetSpent(Exception):
    """Nothing was changed: others held what this write needs, or its events were void, until the budget was spent."""


class InQuarantine(Exception):
    """Events of the user wait in quarantine, so nobody knows what the command would change."""


class TooManyWrites(Exception):
    """This process has as many writes in hand as it takes on."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how the request is known elsewhere."""

    actor: str | None = None
    idempotency: Idempotency | None = None
    correlation_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The write happened: the user as it is at that version."""

    state: UserState
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There was nothing to do."""

    state: User | Gone
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Pending:
    """The outcome is not known yet; `offset` if the event is known to be in the log."""

    event: EventRef
    offset: int | None


Result = Accepted | Unchanged | Pending


class _Again(Exception):
    """Decide anew; the argument says why."""


class Writer:
    """Carries out commands."""

    def __init__(self, settings: CommandSettings, store: Store, event_log: EventLog, verdicts: Verdicts) -> None:
        self._store = store
        self._log = event_log
        self._verdicts = verdicts
        self._budget = settings.write_budget_seconds
        self._partitions = settings.kafka_partitions
        self._most_in_flight = settings.max_writes_in_flight
        self._in_flight = 0

    async def write(self, command: Command, caller: Caller) -> Result:
        """Carry out one command.

        Raises:
            Refused: a rule of the domain is broken.
            ValueTaken, KeyReused, InQuarantine: see there.
            EventLogUnavailable, StoreUnavailable, BudgetSpent, TooManyWrites: nothing was changed; try again later.
        """
        if self._in_flight >= self._most_in_flight:
            raise TooManyWrites
        self._in_flight += 1
        metrics.WRITES_IN_FLIGHT.inc()
        try:
            return await self.settle(command, caller, self.until())
        finally:
            self._in_flight -= 1
            metrics.WRITES_IN_FLIGHT.dec()

    def until(self) -> float:
        """Return when the budget of a write that begins now is spent, on the event loop's clock."""
        return asyncio.get_running_loop().time() + self._budget

    async def settle(self, command: Command, caller: Caller, until: float) -> Result:
        """Carry out one command for a caller who bounds the writes in flight itself; raises what `write` raises."""
        while True:
            try:
                return await self._attempt(command, caller, until)
            except _Again as reason:
                metrics.REDECISIONS.labels(str(reason)).inc()
            if asyncio.get_running_loop().time() >= until:
                raise BudgetSpent

    async def _attempt(self, command: Command, caller: Caller, until: float) -> Result:
        if not self._log.reachable:
            raise EventLogUnavailable("Kafka does not answer")
        event_id = new_event_id()
        record = _NO_RECORD
        if isinstance(command, RegisterUser) and command.user_id is None:
            user_id = new_event_id()
        else:
            user_id = str(command.user_id)
            loaded = await self._store.load(user_id, caller.idempotency)
            if not isinstance(loaded, Loaded):
                return await self._first_outcome(loaded, caller, until)
            record = loaded.record or _NO_RECORD
            if record.waits and not isinstance(command, EraseUser):
                raise InQuarantine
        # Whatever the waiting events would make of a user: an erasure does not ask.
        state = Gone(id=user_id, version=record.version) if record.waits else record.state(user_id)
        decision = decide(state, command)
        if decision is None:
            assert state is not None  # noqa: S101 - only what exists can be as asked already
            return Unchanged(state, record.partition, record.offset)
        partition = partition_of(user_id, self._partitions)
        values = new_unique_values(state, decision)
        reserved = await self._store.reserve(
            Wanted(event_id, user_id, partition, record.version, values, caller.idempotency)
        )
        match reserved:
            case Taken(field):
                raise ValueTaken(field)
            case VersionMoved():
                raise _Again("stale")
            case Held(holder):
                await self._wait_for(holder, until)
                raise _Again("held")
            case DoneUnderKey() | PendingUnderKey():
                return await self._first_outcome(reserved, caller, until)
        ref = EventRef(event_id, user_id, record.version + 1, partition, reserved.deadline, reserved.epoch)
        event = make_event(decision, ref, caller)
        return await self._append(state, event, ref, until)

    async def _append(self, state: UserState, event: UserEvent, ref: EventRef, until: float) -> Result:
        try:
            append = self._log.append(event, ref.partition)
        except EventLogUnavailable:
            await self._store.release(ref.partition, ref.event_id)
            raise
        outcome = await self._verdicts.settled(ref, until=until, ask_first=False)
        observe_verdict(append)
        match outcome:
            case Outcome("accepted", offset) if offset is not None:
                return Accepted(evolve(state, event), ref.partition, offset)
            case Outcome("pending"):
                return Pending(ref, append.offset)
        raise _Again("void")

    async def _wait_for(self, holder: EventRef, until: float) -> None:
        started = time.perf_counter()
        await self._verdicts.settled(holder, until=until, ask_first=True)
        metrics.RESERVATION_WAIT.observe(time.perf_counter() - started)

    async def _first_outcome(self, found: DoneUnderKey | PendingUnderKey, caller: Caller, until: float) -> Result:
        """Answer a repeated request with what its first copy led to, though it be still under way."""
        assert caller.idempotency is not None  # noqa: S101 - Redis was asked for the key
        request_hash = found.request_hash if isinstance(found, PendingUnderKey) else found.outcome.request_hash
        if request_hash != caller.idempotency.request_hash:
            raise KeyReused
        if isinstance(found, DoneUnderKey):
            return await self._at(found.outcome)
        outcome = await self._verdicts.settled(found.event, until=until, ask_first=True)
        if outcome.status == "pending":
            return Pending(found.event, None)
        # Accepted: the key now leads to the outcome; void: it is free again.
        raise _Again("held")

    async def _at(self, first: IdempotentOutcome) -> Accepted:
        """Return the user as the first outcome left it, from the history.

        Raises:
            UserGone: the user was erased since then, and the outcome with them.
        """
        state: UserState = None
        entries = await self._store.history(first.user_id, first.sequence)
        if not entries or entries[-1].event_id != first.event_id:
            raise UserGone
        for entry in entries:
            # What does not fit is in quarantine or was discarded: the first answer did not show it either.
            with contextlib.suppress(CannotEvolve):
                state = evolve(state, entry.event(first.user_id))
        return Accepted(state, first.partition, first.offset)


def new_unique_values(state: UserState, decision: Decision) -> list[tuple[UniqueField, str]]:
    """Return the unique values that the event claims and the user has not, in their comparable form."""
    data = decision.data
    if not isinstance(data, UserRegisteredData | UserUpdatedData):
        return []
    values: list[tuple[UniqueField, str]] = []
    fields: tuple[UniqueField, ...] = ("email", "external_id")
    for field in fields:
        wanted = getattr(data, field)
        if wanted is None:
            continue
        before = getattr(state, field, None)
        value = comparable(field, wanted)
        if before is None or comparable(field, before) != value:
            values.append((field, value))
    return values


def make_event(decision: Decision, ref: EventRef, caller: Caller) -> UserEvent:
    """Return the event that was decided on and reserved for."""
    return decision.event(
        id=ref.event_id,
        time=from_milliseconds(time.time_ns() // 1_000_000),
        subject=ref.user_id,
        sequence=ref.sequence,
        deadline=from_milliseconds(ref.deadline),
        epoch=ref.epoch,
        actor=caller.actor,
        correlationid=caller.correlation_id,
        idempotencykey=caller.idempotency.key if caller.idempotency else None,
        idempotencyhash=caller.idempotency.request_hash if caller.idempotency else None,
        traceparent=caller.traceparent,
        data=decision.data,
    )


def observe_verdict(append: Append) -> None:
    """Measure the wait for a verdict, which is there now."""
    if append.acknowledged_at is not None:
        metrics.VERDICT_WAIT.observe(max(0.0, time.perf_counter() - append.acknowledged_at))
