"""What follows from a `user.erased`: the person's other events get tombstones, and are watched until they are gone.

Applying a `user.erased` leaves the ids of that person's other events in Redis (`doomed`). From there they are taken
batch by batch: a tombstone each, then a note that it is there (`buried`), then ticks until compaction has removed them.
Every step can be done again, so it does not matter where a process dies; and if Redis is lost, the replay of what
the log still holds dooms it anew.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

from kafka.errors import KafkaError

from projector.compaction import CompactedLog
from projector.store import ReadModelStore, RedisError
from read_models.calls import OtherGeneration
from read_models.ids import lengthen
from read_models.records import LivePointer
from runtime import metrics

_STEP_EVERY_SECONDS = 1.0
_MOST_AT_ONCE = 500

log = logging.getLogger(__name__)


class Eraser:
    """Carries erasures through for the partitions of a projector; on a thread of its own, as it waits for Kafka."""

    def __init__(
        self,
        store: ReadModelStore,
        compacted: CompactedLog,
        partitions: Callable[[], Collection[int]],
        *,
        tick_seconds: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            store: the read models.
            compacted: the log.
            partitions: gives the partitions that are this process's at the moment.
            tick_seconds: how often a partition is ticked, and asked whether the events are gone.
            on_failure: is called, on the thread, with an error that is none of Kafka or Redis; the thread then ends.
        """
        self._store = store
        self._compacted = compacted
        self._partitions = partitions
        self._tick_seconds = tick_seconds
        self._on_failure = on_failure
        self._next_tick: dict[int, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eraser", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step in hand."""
        self._stopping.set()
        self._thread.join()
        self._compacted.close()

    def step(self) -> None:
        """Do what can be done now.

        Raises:
            KafkaError, RedisError, OtherGeneration: the rest can be done later.
        """
        live = self._store.live()
        if live is None:
            return
        left = {"doomed": 0, "buried": 0}
        erasing = self._store.erasing(live, sorted(self._partitions()))
        try:
            for partition in erasing:
                doomed = self._store.doomed(live, partition)
                left["doomed"] += len(doomed)
                self._store.rewrite_changes(live, partition)
                left["doomed"] -= self._bury(live, partition, doomed)
                left["buried"] += self._watch(live, partition)
        finally:
            # Also where Kafka refuses the tombstones: that is when somebody has to see that events are left.
            for stage, events in left.items():
                metrics.ERASED_EVENTS_LEFT.labels(stage).set(events)

    def _bury(self, live: LivePointer, partition: int, doomed: Mapping[str, int]) -> int:
        """Append tombstones for some of the doomed events; return for how many."""
        some = dict(list(doomed.items())[:_MOST_AT_ONCE])
        if some:
            self._compacted.bury(partition, [lengthen(event) or "" for event in some])
            self._store.bury(live, partition, some)
            metrics.TOMBSTONES.inc(len(some))
            log.info("erased events buried", extra={"partition": partition, "events": len(some)})
        return len(some)

    def _watch(self, live: LivePointer, partition: int) -> int:
        """Keep the log moving until compaction has removed the buried events; return how many it has not."""
        buried = self._store.buried(live, partition)
        if not buried:
            return 0
        if time.monotonic() >= self._next_tick.get(partition, 0):
            self._next_tick[partition] = time.monotonic() + self._tick_seconds
            # One pass removes all whose tombstones it has read, and those of older events were appended before.
            newest = max(buried.values())
            if not self._compacted.still_holds(partition, newest):
                self._store.forget_buried(live, partition, list(buried))
                log.info("erased events gone from the log", extra={"partition": partition, "events": len(buried)})
                return 0
            self._compacted.tick(partition)
        return len(buried)

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_STEP_EVERY_SECONDS):
                try:
                    self.step()
                except (RedisError, OtherGeneration, KafkaError) as error:
                    extra = {"error": type(error).__name__, "reason": str(error)}
                    log.warning("erasure waits", extra=extra)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._on_failure(error)
