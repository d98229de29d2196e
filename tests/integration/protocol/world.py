"""One random schedule: clients, projectors and openers take turns, while servers are lost, rolled back and deposed."""

from contextlib import suppress
from dataclasses import dataclass
from random import Random

from kafka.errors import CommitFailedError, KafkaError, KafkaTimeoutError

from projector.guard import EpochOpener
from read_models.calls import OtherGeneration
from read_models.projector_calls import Batch
from read_models.records import LivePointer
from read_models.write_calls import EventRef
from tests.integration.protocol.commands import Clients
from tests.integration.protocol.consumers import ConnectedStore, Consumer, apply
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.servers import Machines, Server
from tests.integration.protocol.writers import Clocks, Write, Writers
from user_directory_events import EpochOpened, EpochOpenedData, LogIdentity, LogIdentityData, LogRecord, Tick
from user_directory_events.timestamps import from_milliseconds

PARTITIONS = 3
DEADLINE_MS = 100
# Far ahead, as Redis itself lets outcomes of idempotency keys expire by its own clock.
_START_MS = 4_102_444_800_000
_LOG_ID = "11111111-1111-4111-8111-111111111111"
_MOST_NESTING = 3


class Violation(AssertionError):
    """Something that the protocol promises did not hold."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, as probabilities of a step; and how wrong the clocks are."""

    writes: float
    projection: float
    guard: float
    fault: float
    election: float
    allowed_skew_ms: int = 20
    margin_ms: int = 20
    broker_skew_ms: int = 20

    @property
    def clocks_hold(self) -> bool:
        """Say whether the brokers' clocks are as the protocol assumes."""
        return self.broker_skew_ms <= self.allowed_skew_ms


class World:
    """All that there is, at one moment."""

    def __init__(self, rnd: Random, machines: Machines, pace: Pace) -> None:
        self.rnd, self.pace = rnd, pace
        self.live = LivePointer(1, _LOG_ID, complete=True)
        self.clocks = Clocks(_START_MS, rnd.randint(-50, 50))
        self.log = SimulatedLog(rnd, PARTITIONS, pace.broker_skew_ms)
        self.clients = Clients(rnd, PARTITIONS)
        self.writers = Writers(
            rnd, self.log, self.clocks, self.live, DEADLINE_MS, self.clients.new_id, reserved=[], answers=[], late=[]
        )
        self._writing: list[tuple[int, Write]] = []
        self._late_records: list[tuple[int, int, LogRecord]] = self.writers.late
        self._stale_batches: list[Batch] = []
        self._numbers = 0
        self._machines = machines
        first = machines.start()
        assert first is not None
        self.servers: list[Server] = [first]
        self.current, self._deposed = first, first
        first.identify(self._new_number(), self._new_number())
        machines.snapshot.become_copy_of(first)
        self.consumers = [Consumer(self.log, p, first, self.live, pace.margin_ms) for p in range(PARTITIONS)]
        self._opener: EpochOpener | None = self._new_opener()
        self._former_openers: list[EpochOpener] = []
        self._nesting = 0
        identity = LogIdentityData(log_id=_LOG_ID, partitions=PARTITIONS)
        self.log.append(0, LogIdentity(id=self.clients.new_id(), time=self.time, data=identity), self.clocks.now)

    @property
    def time(self) -> str:
        """Return the true time as events carry it."""
        return from_milliseconds(self.clocks.now)

    def step(self) -> None:
        """Let some time pass and some of them do something."""
        rnd, pace = self.rnd, self.pace
        self.clocks.now += rnd.choice([0, 1, 1, 2, 5, 12])
        self.append_late_records()
        if rnd.random() < pace.writes:
            self.start_write()
        if rnd.random() < 0.9:
            self.step_writer()
        for _ in range(PARTITIONS):
            if rnd.random() < pace.projection:
                self.step_consumer(rnd.choice(self.consumers))
        if rnd.random() < pace.guard:
            self.step_opener()
        if rnd.random() < 0.1 and self.writers.reserved:
            self.writers.ask(rnd.choice(self.servers), rnd.choice(self.writers.reserved[-8:]))
        if rnd.random() < 0.05 and self._stale_batches:
            batch = self._stale_batches.pop(rnd.randrange(len(self._stale_batches)))
            apply(rnd.choice(self.servers).store, self.live, batch)
        if rnd.random() < pace.fault:
            self.fault()
        if rnd.random() < pace.election:
            self.log.elect_leader(rnd.randrange(PARTITIONS))

    # --- writers

    def start_write(self) -> None:
        server = self.current if self.rnd.random() < 0.85 else self._deposed
        user = self.rnd.choice(self.clients.users)
        write = self.writers.write(server, user, self.clients.choose, self.clients.idempotency())
        self._writing.append((self.clocks.now, write))

    def step_writer(self) -> None:
        awake = [at for at, (wakes, _) in enumerate(self._writing) if wakes <= self.clocks.now]
        if not awake:
            return
        _, write = self._writing.pop(self.rnd.choice(awake))
        try:
            self._writing.append((self.clocks.now + next(write), write))
        except StopIteration:
            pass

    @property
    def writing(self) -> bool:
        """Say whether a writer is at work."""
        return bool(self._writing)

    def write_at_once(self, user_id: str, email: str) -> EventRef | None:
        """Register a user on the current server, undisturbed; None: it was refused."""
        write = self.writers.write(
            self.current, user_id, lambda _: self.clients.register(email), undisturbed=True
        )
        try:
            next(write)
        except StopIteration as done:
            found: EventRef | None = done.value
            return found
        raise AssertionError("an undisturbed write stood still")

    def append_late_records(self) -> None:
        """Append what was sent, by a process that may be gone, and only now arrives."""
        for late in [late for late in self._late_records if late[0] <= self.clocks.now]:
            self._late_records.remove(late)
            self.log.append(late[1], late[2], self.clocks.now)

    # --- projectors

    def step_consumer(self, consumer: Consumer, most: int | None = None) -> None:
        rnd = self.rnd
        if consumer.server is not self.current and rnd.random() < 0.3:
            consumer.server = self.current
            if rnd.random() < 0.5:  # else it does not notice
                consumer.position = None
        batch = consumer.prepare(self.clocks.now, most or rnd.randint(1, 4))
        if batch is not None:
            if rnd.random() < 0.1:
                self._stale_batches.append(batch)
            consumer.apply(batch)
            if rnd.random() < 0.05:
                self._apply_again(consumer, batch)
        elif rnd.random() < 0.3 and (deadline := consumer.server.oldest_deadline(consumer.partition)) is not None:
            if deadline < self.clocks.redis:
                self.log.append(consumer.partition, Tick(id=self.clients.new_id(), time=self.time), self.clocks.now)

    def _apply_again(self, consumer: Consumer, batch: Batch) -> None:
        before = consumer.server.dump(consumer.server.keys.prefix)
        if apply(consumer.store, self.live, batch):
            raise Violation("a batch was applied twice")
        if consumer.server.dump(consumer.server.keys.prefix) != before:
            raise Violation("a refused batch changed something")

    # --- openers of epochs

    def step_opener(self) -> None:
        """Let the opener do the next thing; or a former one, that may not know yet that partition 0 is another's."""
        if self._former_openers and self.rnd.random() < 0.2:
            opener = self._former_openers.pop()
        elif self._opener is not None:
            opener, self._opener = self._opener, None
        else:
            return
        if self.consumers[0].position is not None:
            with suppress(KafkaError, OtherGeneration):
                opener.step(self.live, self._confirm)
        if self._opener is None:
            self._opener = opener
        else:
            self._former_openers.append(opener)

    def _new_opener(self) -> EpochOpener:
        return EpochOpener(ConnectedStore(self.consumers[0]), self._append_epoch)

    def _confirm(self) -> None:
        """Commit, as the owner of partition 0 alone can; it may stand still, and lose it, right after that."""
        if self._opener is not None:
            raise CommitFailedError("partition 0 is another's")
        self._elsewhere()

    def _append_epoch(self, epoch: str) -> dict[int, int]:
        offsets = {}
        for partition in range(PARTITIONS):
            record = EpochOpened(id=self.clients.new_id(), time=self.time, data=EpochOpenedData(epoch=epoch))
            if self.rnd.random() < 0.03:
                self._late_records.append((self.clocks.now + self.rnd.choice([5, 50, 300, 10_000]), partition, record))
                raise KafkaTimeoutError("some may be missing")
            offsets[partition] = self.log.append(partition, record, self.clocks.now)
            self._elsewhere()
        return offsets

    def _elsewhere(self) -> None:
        """Let the others go on, while the opener that calls this stands still; it may lose partition 0 meanwhile."""
        if self._nesting == _MOST_NESTING or self.rnd.random() < 0.85:
            return
        self._nesting += 1
        if self._opener is None and self.rnd.random() < 0.2:
            self._opener = self._new_opener()
        for _ in range(self.rnd.choice([1, 3, 10, 30])):
            self.step()
        self._nesting -= 1

    # --- faults

    def fault(self) -> None:
        """Lose, roll back or depose the server, or fail back to the one that was deposed; or note what a replica has."""
        what, snapshot = self.rnd.random(), self._machines.snapshot
        if what < 0.25:
            snapshot.become_copy_of(self.current)
        elif what < 0.85:
            if what < 0.45 and self._deposed is not self.current:
                self._fail_back()
            elif (started := self._machines.start()) is not None:
                if what < 0.75:
                    started.become_copy_of(snapshot)
                self._replace(started)
            snapshot.become_copy_of(self.current)
        else:
            self.clocks.now += self.rnd.choice([30, 80, 150])

    def _replace(self, started: Server) -> None:
        """Go on on another server: a restarted one, which keeps its replication id, or a promoted one, which does not."""
        promoted = self.rnd.random() < 0.5
        started.identify(self._new_number(), self._new_number() if promoted else self.current.replid)
        self.servers.append(started)
        self._deposed, self.current = self.current, started

    def _fail_back(self) -> None:
        """Promote the former primary again, the same process, after it was resynchronised."""
        back, lost = self._deposed, self.current
        back.become_copy_of(self.rnd.choice([lost, self._machines.snapshot]))
        back.identify(back.run_id, self._new_number())
        self._deposed, self.current = lost, back

    def _new_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # --- the end

    def stop_faults(self) -> None:
        """Connect everybody to the current server, and let nobody stand still any more."""
        self._deposed = self.current
        self._nesting = _MOST_NESTING
        self._former_openers.clear()
        for batch in self._stale_batches:
            apply(self.current.store, self.live, batch)
        self._stale_batches.clear()
        for consumer in self.consumers:
            consumer.server, consumer.position = self.current, None
        while self.writing:
            self.clocks.now += 5
            self.step_writer()
        for _, partition, record in self._late_records:
            self.log.append(partition, record, self.clocks.now)
        self._late_records.clear()
