"""All projectors of a world: one consumer a partition, stale ones that wake up, and openers that race each other."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

from kafka.errors import CommitFailedError, KafkaError, KafkaTimeoutError

from projector.guard import EpochOpener
from read_models.calls import OtherGeneration
from read_models.projector_calls import Batch
from read_models.records import LivePointer
from tests.integration.protocol.consumers import ConnectedStore, Consumer, apply
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.outages import Outages
from tests.integration.protocol.pace import PARTITIONS
from tests.integration.protocol.violations import Violation
from tests.integration.protocol.writers import Clocks
from user_directory_events import EpochOpened, EpochOpenedData, Tick
from user_directory_events.timestamps import from_milliseconds

_MOST_NESTING = 3


class Projectors:
    """What projectors do; `let_others` is called while an opener stands still, and makes one step of the world."""

    def __init__(
        self,
        rnd: Random,
        log: SimulatedLog,
        clocks: Clocks,
        outages: Outages,
        live: LivePointer,
        margin_ms: int,
        new_id: Callable[[], str],
        let_others: Callable[[], None],
    ) -> None:
        self._rnd, self._log, self._clocks, self._outages = rnd, log, clocks, outages
        self._live, self._new_id, self._let_others = live, new_id, let_others
        self.consumers = [Consumer(log, p, outages.current, live, margin_ms) for p in range(PARTITIONS)]
        self._stale_batches: list[Batch] = []
        self._opener: EpochOpener | None = self._new_opener()
        self._former_openers: list[EpochOpener] = []
        self._nesting = 0

    def step_consumer(self, consumer: Consumer, most: int) -> None:
        """Project the next records of a partition, at most so many, or tick where a reservation is overdue."""
        rnd = self._rnd
        if consumer.server is not self._outages.current and rnd.random() < 0.3:
            consumer.server = self._outages.current
            if rnd.random() < 0.5:  # else it does not notice
                consumer.position = None
        batch = consumer.prepare(self._clocks.now, most)
        if batch is not None:
            if rnd.random() < 0.1:
                self._stale_batches.append(batch)
            consumer.apply(batch)
            if rnd.random() < 0.05:
                self._apply_again(consumer, batch)
        elif rnd.random() < 0.3:
            deadline = consumer.server.oldest_deadline(consumer.partition)
            if deadline is not None and deadline < self._clocks.redis:
                self._log.append(consumer.partition, Tick(id=self._new_id(), time=self._time()), self._clocks.now)

    def step_stale(self) -> None:
        """Let a projector that lost its partition apply what it had in hand, wherever it is connected to."""
        if self._stale_batches:
            batch = self._stale_batches.pop(self._rnd.randrange(len(self._stale_batches)))
            apply(self._rnd.choice(self._outages.servers).store, self._live, batch)

    def step_opener(self) -> None:
        """Let the opener do the next thing; or a former one, that may not know yet that partition 0 is another's."""
        if self._former_openers and self._rnd.random() < 0.2:
            opener = self._former_openers.pop()
        elif self._opener is not None:
            opener, self._opener = self._opener, None
        else:
            return
        if self.consumers[0].position is not None:
            with suppress(KafkaError, OtherGeneration):
                opener.step(self._live, self._confirm_ownership)
        if self._opener is None:
            self._opener = opener
        else:
            self._former_openers.append(opener)

    def stop_faults(self) -> None:
        """Connect everybody to the current server, and let nobody stand still any more."""
        self._nesting = _MOST_NESTING
        self._former_openers.clear()
        for consumer in self.consumers:
            consumer.server, consumer.position = self._outages.current, None
        for batch in self._stale_batches:
            apply(self._outages.current.store, self._live, batch)
        self._stale_batches.clear()

    def _apply_again(self, consumer: Consumer, batch: Batch) -> None:
        server = consumer.server
        before = server.dump(server.keys.prefix)
        if apply(consumer.store, self._live, batch):
            raise Violation("a batch was applied twice")
        if server.dump(server.keys.prefix) != before:
            raise Violation("a refused batch changed something")

    def _new_opener(self) -> EpochOpener:
        return EpochOpener(ConnectedStore(self.consumers[0]), self._append_epoch)

    def _confirm_ownership(self) -> None:
        """Commit, as the owner of partition 0 alone can; it may stand still, and lose it, right after that."""
        if self._opener is not None:
            raise CommitFailedError("partition 0 is another's")
        self._stand_still()

    def _append_epoch(self, epoch: str) -> dict[int, int]:
        offsets = {}
        for partition in range(PARTITIONS):
            record = EpochOpened(id=self._new_id(), time=self._time(), data=EpochOpenedData(epoch=epoch))
            if self._rnd.random() < 0.03:
                self._log.send(partition, record, self._clocks.now + self._rnd.choice([5, 50, 300, 10_000]))
                raise KafkaTimeoutError("some may be missing")
            offsets[partition] = self._log.append(partition, record, self._clocks.now)
            self._stand_still()
        return offsets

    def _stand_still(self) -> None:
        """Let the others go on; partition 0 may become another process's meanwhile."""
        if self._nesting == _MOST_NESTING or self._rnd.random() < 0.85:
            return
        self._nesting += 1
        if self._opener is None and self._rnd.random() < 0.2:
            self._opener = self._new_opener()
        for _ in range(self._rnd.choice([1, 3, 10, 30])):
            self._let_others()
        self._nesting -= 1

    def _time(self) -> str:
        return from_milliseconds(self._clocks.now)
