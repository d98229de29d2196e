"""Filling the generation beside the live one from the log, up to where the live one is, until it can follow."""

from collections.abc import Sequence
from typing import Final

from kafka.consumer.fetcher import ConsumerRecord
from tqdm import tqdm

from projector.folding import Decoded, Folding, decode_again
from projector.generation_store import GenerationStore
from projector.log_reader import LogReader
from projector.turns import Turns, take_turns
from read_models.calls import OtherGeneration
from read_models.projector_calls import Applied
from read_models.records import BesidePointer, LivePointer
from runtime.startup import StartupError
from user_directory_events import UnknownSchema

NEAR_RECORDS: Final = 500
"""The projectors close a gap of at most so many records a partition, which holds up the writes in it meanwhile."""
_POLL_MS: Final = 200


class GenerationFill:
    """Reads all partitions side by side; of each at most one poll's records are in memory."""

    def __init__(
        self,
        store: GenerationStore,
        reader: LogReader,
        folding: Folding,
        batch_records: int,
        bar: "tqdm[None]",
    ) -> None:
        self._store = store
        self._reader = reader
        self._folding = folding
        self._batch_records = batch_records
        self._bar = bar
        self._positions: dict[int, int] = {}
        self._waiting: dict[int, list[ConsumerRecord]] = {}

    def run(self, live: LivePointer, beside: BesidePointer) -> None:
        """Fill until the generation is near the live one, then let the projectors take it over.

        Raises:
            LeaseLost, OtherGeneration: see there.
            StartupError: the log has a record of a newer release.
        """
        first = self._reader.first_positions()
        self._positions.clear()
        self._waiting.clear()
        self._bar.set_description(f"filling generation {beside.generation}")
        while True:
            generations = self._store.hold()
            if generations.live != live or generations.beside != beside:
                raise OtherGeneration
            progress = self._store.progress_of_both(generations, sorted(first))
            if len(progress) < len(first):
                raise OtherGeneration
            self._place({partition: its.position for partition, (_, its) in progress.items()})
            ends = {partition: mine.position for partition, (mine, _) in progress.items()}
            self._show(first, ends)
            if all(ends[partition] - self._positions[partition] <= NEAR_RECORDS for partition in ends):
                following = BesidePointer(beside.generation, beside.log_id, "following")
                self._store.move_beside(beside, following, leased=True)
                return
            self._read()
            take_turns([self._fill(live, beside, partition, ends[partition]) for partition in sorted(self._waiting)])

    def _place(self, checkpoints: dict[int, int]) -> None:
        """Go to the checkpoints, wherever a partition is elsewhere."""
        for partition, position in checkpoints.items():
            if self._positions.get(partition) != position:
                self._positions[partition] = position
                self._waiting.pop(partition, None)
                self._reader.place(partition, position)

    def _read(self) -> None:
        """Read on where nothing is left of what was read before."""
        self._reader.read_only(self._positions.keys() - self._waiting.keys())
        for partition, records in self._reader.poll(0 if self._waiting else _POLL_MS).items():
            self._waiting[partition] = list(records)

    def _fill(self, live: LivePointer, beside: BesidePointer, partition: int, end: int) -> Turns:
        """Apply what was read of a partition, as far as the live generation has it; yields where it waits for Redis."""
        records = self._waiting.pop(partition)
        below = [record for record in records if record.offset < end]
        rest = records[len(below) :]
        while below or (rest and self._positions[partition] < end):
            batch, below = below[: self._batch_records], below[self._batch_records :]
            # Before the live one's checkpoint there may be offsets without records: they were removed.
            decoded = self._decode(partition, batch, end if rest and not below else None)
            folding = self._folding.begin_fold(self._store, beside, [decoded])
            yield
            folded = folding()
            reply: Applied = "refused"
            if partition in folded:
                filling = self._store.begin_fill(live, beside, folded[partition][0])
                yield
                reply = filling()
            if reply == "refused":
                # The checkpoint is elsewhere: the next turn goes there.
                del self._positions[partition]
                return
            self._positions[partition] = decoded.next_position
        if rest:
            self._waiting[partition] = rest

    def _decode(self, partition: int, records: Sequence[ConsumerRecord], next_position: int | None) -> Decoded:
        try:
            decoded = decode_again(partition, self._positions[partition], records)
        except UnknownSchema as error:
            raise StartupError(f"{error}: rebuild with a release that knows it") from error
        if next_position is not None:
            decoded.next_position = next_position
        return decoded

    def _show(self, first: dict[int, int], ends: dict[int, int]) -> None:
        self._bar.total = sum(ends.values()) - sum(first.values())
        self._bar.update(sum(self._positions.values()) - sum(first.values()) - self._bar.n)
