"""One random schedule: clients, projectors and openers take turns, while servers are lost, rolled back and deposed."""

from contextlib import suppress
from random import Random

from read_models.records import LivePointer
from read_models.write_calls import EventRef
from tests.integration.protocol.commands import Clients
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.outages import Outages
from tests.integration.protocol.pace import DEADLINE_MS, PARTITIONS, Pace
from tests.integration.protocol.projectors import Projectors
from tests.integration.protocol.servers import Machines, Server
from tests.integration.protocol.writers import Clocks, Write, Writers
from user_directory_events import LogIdentity, LogIdentityData
from user_directory_events.timestamps import from_milliseconds

# Far ahead, as Redis itself lets outcomes of idempotency keys expire by its own clock.
_START_MS = 4_102_444_800_000
_LOG_ID = "11111111-1111-4111-8111-111111111111"


class World:
    """All that there is, at one moment."""

    def __init__(self, rnd: Random, machines: Machines, pace: Pace) -> None:
        self.rnd, self.pace = rnd, pace
        self.live = LivePointer(1, _LOG_ID, complete=True)
        self.clocks = Clocks(_START_MS, rnd.randint(-50, 50))
        self.log = SimulatedLog(rnd, PARTITIONS, pace.broker_skew_ms)
        self.clients = Clients(rnd, PARTITIONS)
        new_id = self.clients.new_id
        self.writers = Writers(rnd, self.log, self.clocks, self.live, DEADLINE_MS, pace.late_append, new_id)
        self.outages = Outages(rnd, machines, pace.fail_back)
        self.projectors = Projectors(
            rnd, self.log, self.clocks, self.outages, self.live, pace.margin_ms, new_id, let_others=self.step
        )
        self._writing: list[tuple[int, Write]] = []
        identity = LogIdentityData(log_id=_LOG_ID, partitions=PARTITIONS)
        time = from_milliseconds(self.clocks.now)
        self.log.append(0, LogIdentity(id=new_id(), time=time, data=identity), self.clocks.now)

    @property
    def current(self) -> Server:
        """Return the server that is the primary."""
        return self.outages.current

    def step(self) -> None:
        """Let some time pass and some of them do something."""
        rnd, pace = self.rnd, self.pace
        self.clocks.now += rnd.choice([0, 1, 1, 2, 5, 12])
        self.log.deliver(self.clocks.now)
        if rnd.random() < pace.writes:
            self._start_write()
        for _ in range(3):
            if rnd.random() < 0.9:
                self._step_writer()
            if rnd.random() < pace.projection:
                self.projectors.step_consumer(rnd.choice(self.projectors.consumers), rnd.randint(1, 4))
        if rnd.random() < pace.guard:
            self.projectors.step_opener()
        if rnd.random() < 0.1 and self.writers.reserved:
            self.writers.ask(rnd.choice(self.outages.servers), rnd.choice(self.writers.reserved[-8:]))
        if rnd.random() < 0.05:
            self.projectors.step_stale()
        if rnd.random() < pace.fault:
            self._fault()
        if rnd.random() < pace.election:
            self.log.elect_leader(rnd.randrange(PARTITIONS))

    def stop_faults(self) -> None:
        """Connect everybody to the current server; what is still under way arrives, and then nothing goes wrong."""
        self.outages.stop()
        self.projectors.stop_faults()
        while self._writing:
            self.clocks.now += 5
            self._step_writer()
        self.log.deliver_all(self.clocks.now)

    def round(self) -> None:
        """Let every projector do what there is to do."""
        self.clocks.now += 25
        for consumer in self.projectors.consumers:
            self.projectors.step_consumer(consumer, most=500)
        self.projectors.step_opener()

    def register(self, user_id: str, email: str) -> EventRef | None:
        """Register a user on the current server, undisturbed; None: it was refused."""
        write = self.writers.write(self.current, user_id, lambda _: self.clients.register(email), undisturbed=True)
        try:
            next(write)
        except StopIteration as done:
            found: EventRef | None = done.value
            return found
        raise AssertionError("an undisturbed write stood still")

    def _start_write(self) -> None:
        server = self.current if self.rnd.random() < 0.85 else self.outages.deposed
        user = self.rnd.choice(self.clients.users)
        write = self.writers.write(server, user, self.clients.choose, self.clients.idempotency())
        self._writing.append((self.clocks.now, write))

    def _step_writer(self) -> None:
        awake = [at for at, (wakes, _) in enumerate(self._writing) if wakes <= self.clocks.now]
        if awake:
            _, write = self._writing.pop(self.rnd.choice(awake))
            with suppress(StopIteration):
                self._writing.append((self.clocks.now + next(write), write))

    def _fault(self) -> None:
        what = self.rnd.random()
        if what < 0.25:
            self.outages.note_what_a_replica_has()
        elif what < 0.85:
            self.outages.lose_primary()
        else:
            self.clocks.now += self.rnd.choice([30, 80, 150])
