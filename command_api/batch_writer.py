"""Many registrations at once, by the same protocol as one.

What waits together goes together: the reservations of a batch are one call, its appends follow one another without a
pause, and the verdicts of all batches are awaited in one place. Whatever is not settled by this straight way (a value
that another event holds, an event that came out void, a repeated request whose first copy is under way) is left to
`Writer.settle`, which knows every way.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from command_api.commands import RegisterUser
from command_api.decide import Decision, Refused, decide
from command_api.event_log import Append, EventLog, EventLogUnavailable
from command_api.settings import CommandSettings
from command_api.store import Store, StoreUnavailable
from command_api.verdicts import Expected, Verdicts
from command_api.writer import (
    Caller,
    KeyReused,
    Pending,
    ValueTaken,
    Writer,
    make_event,
    new_unique_values,
    observe_verdict,
)
from read_models.records import IdempotentOutcome
from read_models.write_calls import DoneUnderKey, EventRef, Outcome, Reserved, ReserveReply, Taken, Wanted
from runtime import metrics
from user_directory_events import partition_of
from user_directory_events.codec import new_event_id

# Others wait for an event loop's turn to end; this many take it 2 ms.
_IN_TURN = 32


@dataclass(frozen=True, slots=True)
class Registered:
    """The user was registered."""

    user_id: str
    version: int


Answer = Registered | Pending | Exception


@dataclass(frozen=True, slots=True)
class Registration:
    """One registration of a batch; `answer` is called once, with its result or what `Writer.write` would raise."""

    command: RegisterUser
    caller: Caller
    until: float
    answer: Callable[[Answer], None]


class BatchWriter:
    """Carries out registrations whose ids the directory chooses."""

    def __init__(
        self, settings: CommandSettings, store: Store, event_log: EventLog, writer: Writer, verdicts: Verdicts
    ) -> None:
        self._store = store
        self._log = event_log
        self._writer = writer
        self._partitions = settings.kafka_partitions
        self._verdicts = verdicts
        self._expected: dict[str, Expected] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: Callable[[BaseException], None]

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Take what is called if a step fails unforeseen: some rows are never answered then."""
        self._failed = failed

    async def close(self) -> None:
        """Await nothing any more; who was not answered is not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for expected in self._expected.values():
            self._verdicts.forget(expected)

    def until(self) -> float:
        """Return when the budget of a registration that begins now is spent."""
        return self._writer.until()

    def write(self, batch: Sequence[Registration]) -> None:
        """Begin to carry out a batch, before any later one; a step of Redis's takes 30 µs for each."""
        self._begin(self._write(batch))

    async def _write(self, batch: Sequence[Registration]) -> None:
        begun: list[_Begun] = []
        for number, registration in enumerate(batch, 1):
            if (decided := self._begun(registration)) is not None:
                begun.append(decided)
            if number % _IN_TURN == 0:
                await asyncio.sleep(0)
        if not begun:
            return
        if not self._log.reachable:
            _answer_all(begun, EventLogUnavailable("Kafka does not answer"))
            return
        try:
            replies = await self._store.reserve_all([one.wanted for one in begun])
        except StoreUnavailable as error:
            _answer_all(begun, error)
            return
        for number, (one, reply) in enumerate(zip(begun, replies, strict=True), 1):
            self._go_on(one, reply)
            if number % _IN_TURN == 0:
                await asyncio.sleep(0)

    def _begun(self, registration: Registration) -> "_Begun | None":
        try:
            decision = decide(None, registration.command)
        except Refused as error:
            registration.answer(error)
            return None
        assert decision is not None  # noqa: S101 - a registration that is not refused changes something
        user_id = new_event_id()
        partition = partition_of(user_id, self._partitions)
        values = new_unique_values(None, decision)
        wanted = Wanted(new_event_id(), user_id, partition, 0, values, registration.caller.idempotency)
        return _Begun(registration, decision, wanted)

    def _go_on(self, one: "_Begun", reply: ReserveReply) -> None:
        registration = one.registration
        match reply:
            case Reserved(epoch, deadline):
                self._append(
                    one, EventRef(one.wanted.event_id, one.wanted.user_id, 1, one.wanted.partition, deadline, epoch)
                )
            case Taken(field):
                registration.answer(ValueTaken(field))
            case DoneUnderKey(outcome):
                registration.answer(_first_outcome(outcome, registration.caller))
            case _:
                self._begin(self._settle(registration))

    def _append(self, one: "_Begun", ref: EventRef) -> None:
        try:
            append = self._log.append(make_event(one.decision, ref, one.registration.caller), ref.partition)
        except EventLogUnavailable as error:
            self._begin(self._store.release(ref.partition, ref.event_id))
            one.registration.answer(error)
            return
        tell = partial(self._told, one.registration, ref, append)
        self._expected[ref.event_id] = self._verdicts.expect(ref, one.registration.until, tell)

    def _told(self, registration: Registration, ref: EventRef, append: Append, outcome: Outcome | Exception) -> None:
        del self._expected[ref.event_id]
        if isinstance(outcome, Exception):
            self._failed(outcome)
            return
        try:
            self._judged(registration, ref, append, outcome)
        except Exception as error:  # noqa: BLE001 - whoever tells has others to tell
            self._failed(error)

    def _judged(self, registration: Registration, ref: EventRef, append: Append, outcome: Outcome) -> None:
        observe_verdict(append)
        match outcome.status:
            case "accepted":
                registration.answer(Registered(ref.user_id, ref.sequence))
            case "pending":
                registration.answer(Pending(ref, append.offset))
            case _:
                metrics.REDECISIONS.labels("void").inc()
                self._begin(self._settle(registration))

    async def _settle(self, registration: Registration) -> None:
        try:
            result = await self._writer.settle(registration.command, registration.caller, registration.until)
        except Exception as error:  # noqa: BLE001 - it is the answer
            registration.answer(error)
        else:
            if isinstance(result, Pending):
                registration.answer(result)
            else:
                assert result.state is not None  # noqa: S101 - an event leaves a user, or what is left of one
                registration.answer(Registered(result.state.id, result.state.version))

    def _begin(self, action: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)


@dataclass(frozen=True, slots=True)
class _Begun:
    registration: Registration
    decision: Decision
    wanted: Wanted


def _answer_all(begun: Sequence[_Begun], error: Exception) -> None:
    for one in begun:
        one.registration.answer(error)


def _first_outcome(outcome: IdempotentOutcome, caller: Caller) -> Answer:
    if caller.idempotency is None or outcome.request_hash != caller.idempotency.request_hash:
        return KeyReused()
    return Registered(outcome.user_id, outcome.sequence)
