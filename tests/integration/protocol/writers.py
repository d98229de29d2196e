"""What one process of the command API does for one write, step by step; between two steps anything may happen.

The calls are the real ones and so are the decisions; where the real writer would decide anew, this one gives up, since
others come after it anyway.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from command_api.commands import Command
from command_api.decide import Refused, decide
from read_models import write_calls
from read_models.calls import NotReady, OtherGeneration
from read_models.records import LivePointer, UserRecord
from read_models.write_calls import DoneUnderKey, EventRef, Idempotency, Loaded, Outcome, Reserved
from tests.integration.protocol.expected import claims_of
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.servers import Server
from user_directory_events import UserEvent, UserState, evolve, partition_of
from user_directory_events.timestamps import ENDLESS, from_milliseconds

PROCESS = "process-1"
_NO_RECORD = UserRecord(version=0, partition=0, offset=-1, presence="none")

Write = Generator[int, None, EventRef | None]
"""Yields how many milliseconds its process stands still; returns its event, if it may have been appended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said of an event at some time."""

    event_id: str
    outcome: Outcome


@dataclass(slots=True)
class Clocks:
    """The true time, which no process sees, and how far Redis is off; milliseconds since 1970."""

    now: int
    redis_skew: int

    @property
    def redis(self) -> int:
        """Return what Redis's clock shows."""
        return self.now + self.redis_skew


@dataclass(slots=True)
class Writers:
    """What all writers share, and what they were told."""

    rnd: Random
    log: SimulatedLog
    clocks: Clocks
    live: LivePointer
    lifetime_ms: int
    late_append: float
    new_id: Callable[[], str]
    reserved: list[EventRef] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def write(
        self,
        server: Server,
        user_id: str,
        choose: Callable[[UserState], Command],
        idempotency: Idempotency | None = None,
        *,
        undisturbed: bool = False,
    ) -> Write:
        """Decide, reserve and append once; `undisturbed`: the process neither waits nor dies."""
        record = self._load(server, user_id, idempotency)
        if record is None:
            return None
        event, state = self._decide(user_id, record, choose, idempotency)
        if event is None:
            return None
        if not undisturbed:
            yield self.rnd.choice([0, 0, 0, 10, 80])
        ref = self._reserve(server, state, event, idempotency)
        if ref is None:
            return None
        if not undisturbed and (yield from self._stand_still_and_give_up(server, ref)):
            return None
        stamped = event.model_copy(update={"deadline": from_milliseconds(ref.deadline), "epoch": ref.epoch})
        self.log.append(ref.partition, stamped, self.clocks.now)
        if self.rnd.random() < 0.03:
            self.log.send(ref.partition, stamped, self.clocks.now + self.rnd.randint(0, 150))
        return ref

    def ask(self, server: Server, ref: EventRef) -> Outcome:
        """Ask a server what became of an event."""
        outcome = Outcome("pending")
        with suppress(NotReady, OtherGeneration):
            outcome = server.run(write_calls.outcome(server.keys, self.live, ref))
        if outcome.status != "pending":
            self.answers.append(Answer(ref.event_id, outcome))
        return outcome

    def _load(self, server: Server, user_id: str, idempotency: Idempotency | None) -> UserRecord | None:
        try:
            loaded = server.run(write_calls.load(server.keys, self.live, PROCESS, user_id, idempotency))
        except NotReady:
            return None
        if isinstance(loaded, Loaded):
            return loaded.record or _NO_RECORD
        self._note_first_outcome(loaded)
        return None

    def _stand_still_and_give_up(self, server: Server, ref: EventRef) -> Generator[int, None, bool]:
        """Stand still between reserving and appending; say whether the process died then, or could not send."""
        if self.rnd.random() < self.late_append:
            yield self.lifetime_ms + self.rnd.randint(-20, 30)
        else:
            yield self.rnd.choice([0, 0, 0, 0, 5, 20, 60])
        if self.rnd.random() < 0.05:
            return True
        if self.rnd.random() < 0.03:
            server.run(write_calls.release(server.keys, ref.partition, ref.event_id))
            return True
        return False

    def _decide(
        self,
        user_id: str,
        record: UserRecord,
        choose: Callable[[UserState], Command],
        idempotency: Idempotency | None,
    ) -> tuple[UserEvent | None, UserState]:
        state = record.state(user_id)
        try:
            decision = decide(state, choose(state))
        except Refused:
            decision = None
        if decision is None:
            return None, state
        event = decision.event(
            id=self.new_id(),
            time=from_milliseconds(self.clocks.now),
            subject=user_id,
            sequence=record.version + 1,
            deadline=ENDLESS,
            epoch="",
            actor=idempotency.actor if idempotency else None,
            idempotencykey=idempotency.key if idempotency else None,
            idempotencyhash=idempotency.request_hash if idempotency else None,
            data=decision.data,
        )
        return event, state

    def _reserve(
        self, server: Server, state: UserState, event: UserEvent, idempotency: Idempotency | None
    ) -> EventRef | None:
        before, after = claims_of(state), claims_of(evolve(state, event))
        partition = partition_of(event.subject, len(self.log.partitions))
        call = write_calls.reserve(
            server.keys,
            self.live,
            PROCESS,
            event_id=event.id,
            user_id=event.subject,
            partition=partition,
            version=event.sequence - 1,
            unique_values=[(name, value) for name, value in after.items() if before.get(name) != value],
            idempotency=idempotency,
            lifetime_ms=self.lifetime_ms,
        )
        try:
            reserved = server.run(call, self.clocks.redis)
        except NotReady:
            return None
        if not isinstance(reserved, Reserved):
            self._note_first_outcome(reserved)
            return None
        ref = EventRef(event.id, event.subject, event.sequence, partition, reserved.deadline, reserved.epoch)
        self.reserved.append(ref)
        return ref

    def _note_first_outcome(self, found: object) -> None:
        if isinstance(found, DoneUnderKey):
            self.answers.append(Answer(found.outcome.event_id, Outcome("accepted", found.outcome.offset)))
