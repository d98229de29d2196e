"""What a rebuild, a rollback and a pruning ask of Redis: both generations, the lease, the flip."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from projector.requests_ahead import Later
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models import generation_calls
from read_models.generation_calls import Compared, Flipped, Generations
from read_models.projector_calls import Applied, Batch
from read_models.records import BesidePointer, LivePointer, PartitionProgress
from user_directory_events import new_event_id

_SCANNED: Final = 1000


class GenerationStore(ReadModelStore):
    """Makes generations; `owner` is who holds the lease of a rebuild: this process."""

    def __init__(self, settings: ProjectorSettings) -> None:
        super().__init__(settings)
        self.owner = new_event_id()

    def generations(self) -> Generations | None:
        """Return which generations there are; None: Redis is empty."""
        values: list[Any] = self._redis.mget([self.keys.live, self.keys.beside])
        live, beside = values
        return None if live is None else Generations.decode(live, beside)

    def consistent_positions(self, log_id: str, partitions: int) -> dict[int, int] | str:
        """Return how far the partitions are, at one moment at which no value is claimed twice; or why there is none."""
        found = self.generations()
        if found is None or not found.live.complete or found.live.log_id != log_id:
            return "the read models of this log are not complete"
        its = self.keys.generation(found.live.generation)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(self.keys.live)
        pipeline.scard(its.conflicts)
        pipeline.mget(list(map(its.partition, range(partitions))))
        live, conflicts, values = pipeline.execute()
        if live != found.live.encode().encode() or None in values:
            return "the read models are changing"
        if conflicts:
            return "the partitions are not equally far after a loss of Redis"
        return {partition: PartitionProgress.decode(value).position for partition, value in enumerate(values)}

    def begin_rebuild(self, live: LivePointer, positions: dict[int, int]) -> BesidePointer:
        """Take the lease, and return the generation beside the live one, made where there is none.

        Raises:
            LeaseLost: another process holds it.
            OtherGeneration: the live pointer is another one.
        """
        new = BesidePointer(live.generation + 1, live.log_id, "filling")
        return self._run(generation_calls.begin_rebuild(self.keys, live, new, self.owner, positions))

    def hold(self) -> Generations:
        """Keep the lease, and return which generations there are.

        Raises:
            LeaseLost: it was not held any more.
        """
        return self._run(generation_calls.hold_lease(self.keys, self.owner))

    def release(self) -> None:
        """Give the lease back, so that the next one need not wait."""
        if self._redis.get(self.keys.rebuilding) == self.owner.encode():
            self._redis.delete(self.keys.rebuilding)

    def begin_fill(self, live: LivePointer, beside: BesidePointer, batch: Batch) -> Later[Applied]:
        """Have done what `fill` does."""
        results = self._begin_all([generation_calls.fill(self.keys, live, beside, batch, self.owner)])
        return lambda: results()[0]

    def fill(self, live: LivePointer, beside: BesidePointer, batch: Batch) -> Applied:
        """Apply a batch to the generation that is being filled.

        Raises:
            LeaseLost, OtherGeneration: see there.
        """
        return self.begin_fill(live, beside, batch)()

    def progress_of_both(
        self, generations: Generations, partitions: Sequence[int]
    ) -> dict[int, tuple[PartitionProgress, PartitionProgress]]:
        """Read in one moment how far the live generation and the one beside it are."""
        assert generations.beside is not None  # noqa: S101 - the caller has just seen it
        one, other = (self.keys.generation(g.generation) for g in (generations.live, generations.beside))
        names = [*map(one.partition, partitions), *map(other.partition, partitions)]
        values: list[Any] = self._redis.mget(names)
        count = len(partitions)
        return {
            partition: (PartitionProgress.decode(mine), PartitionProgress.decode(its))
            for partition, mine, its in zip(partitions, values[:count], values[count:], strict=True)
            if mine is not None and its is not None
        }

    def move_beside(self, beside: BesidePointer, to: BesidePointer | None, *, leased: bool) -> None:
        """Move the generation beside the live one to another stage, or forget it.

        Raises:
            LeaseLost: the lease is not ours; if not `leased`: somebody holds it.
            OtherGeneration: it is not as it was.
        """
        self._run(generation_calls.move_beside(self.keys, beside, to, self.owner if leased else ""))

    def flip(self, generations: Generations, partitions: int, *, accept_differences: bool) -> Flipped:
        """Make the generation beside the live one the live one.

        Raises:
            Unequal, OtherGeneration: see there.
        """
        assert generations.beside is not None  # noqa: S101 - the caller has just seen it
        call = generation_calls.flip(
            self.keys, generations.live, generations.beside, partitions, accept_differences=accept_differences
        )
        return self._run(call)

    def compare_keys(
        self, generations: Generations, pairs: Sequence[tuple[bytes, bytes]], first: int, last: int
    ) -> list[Compared]:
        """Compare keys of both generations in one moment, see `generation_calls.compare_keys`."""
        return self._run(generation_calls.compare_keys(self.keys, generations, pairs, first, last))

    def compare_indexes(
        self, generations: Generations, pair: tuple[str, str], behind: bytes | None, count: int
    ) -> tuple[bool, bytes | None]:
        """Compare a stretch of an index in one moment, see `generation_calls.compare_indexes`."""
        return self._run(generation_calls.compare_indexes(self.keys, generations, pair, behind, count))

    def names(self, *generations: int) -> Iterator[list[bytes]]:
        """Name the keys of generations, some at a time; each that is there throughout is named at least once."""
        pattern = f"{self.keys.prefix}:*" if len(generations) > 1 else f"{self.keys.prefix}:{generations[0]}:*"
        cursor = 0
        while True:
            found: Any = self._redis.scan(cursor, match=pattern, count=_SCANNED)
            cursor, names = found
            yield names
            if cursor == 0:
                return

    def exist(self, names: Sequence[bytes]) -> list[bool]:
        """Say which keys exist."""
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.exists(name)
        return list(map(bool, pipeline.execute()))

    def unlink(self, names: Sequence[bytes]) -> None:
        """Delete keys; their memory is given back in the background."""
        if names:
            self._redis.unlink(*names)

    def sizes(self, generation: int) -> tuple[int, int]:
        """Return how many users there are in a generation, and how many values with two claimants."""
        its = self.keys.generation(generation)
        return int(self._redis.zcard(its.sorted_by("created_at"))), int(self._redis.scard(its.conflicts))
