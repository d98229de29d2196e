"""`python -m projector rebuild`: fill a new generation of the read models from the log, and make it the live one.

docs/architecture.md tells the stages. Each of them can be left at any moment and gone on with by the next run.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from kafka.errors import KafkaError
from tqdm import tqdm

from projector.folding import Folding
from projector.generation_fill import GenerationFill
from projector.generation_flip import CannotFlip, flip_when_equal
from projector.generation_store import GenerationStore
from projector.log_reader import LogReader
from projector.log_setup import prepare_log
from projector.progress_bar import progress_bar
from projector.settings import ProjectorSettings
from projector.store import RedisError
from read_models.calls import OtherGeneration
from read_models.generation_calls import LEASE_MS, LeaseLost
from read_models.records import BesidePointer, LivePointer
from runtime.settings import load
from runtime.startup import StartupError

_PAUSE_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 0.05


class Rebuild:
    """One run; `bar` shows it."""

    def __init__(
        self, settings: ProjectorSettings, log_id: str, store: GenerationStore, reader: LogReader, bar: "tqdm[None]"
    ) -> None:
        self._store = store
        self._reader = reader
        self._bar = bar
        self._log_id = log_id
        self._partitions = settings.kafka_partitions
        self._patience = settings.startup_wait_seconds
        folding = Folding(round(settings.clock_skew_seconds * 1000), settings.change_feed_events_per_partition)
        self._fill = GenerationFill(store, reader, folding, settings.projector_batch_records, bar)

    def run(self, *, accept_differences: bool) -> str:
        """Rebuild until the new generation is the live one; return what was compared, in words.

        Raises:
            StartupError: it cannot be done now; what is there already is gone on with by the next run.
        """
        trouble_since: float | None = None
        while True:
            try:
                live, beside = self._begin()
                # Kafka and Redis have just answered.
                trouble_since = None
                if beside.stage == "filling":
                    self._fill.run(live, beside)
                    continue
                return flip_when_equal(
                    self._store, self._partitions, self._bar, accept_differences=accept_differences, leased=True
                )
            except (OtherGeneration, LeaseLost):
                # Redis came back older, or this process stood still: see what is there now.
                time.sleep(_RETRY_SECONDS)
            except (RedisError, KafkaError) as error:
                trouble_since = trouble_since or time.monotonic()
                if time.monotonic() - trouble_since > self._patience:
                    raise StartupError(
                        f"Kafka or Redis does not answer ({type(error).__name__}): run the rebuild again, it goes on"
                    ) from error
                time.sleep(_PAUSE_SECONDS)

    def _begin(self) -> tuple[LivePointer, BesidePointer]:
        held_until = time.monotonic() + LEASE_MS / 1000 + 1
        patient_until = time.monotonic() + self._patience
        while True:
            generations = self._store.generations()
            if generations is not None and generations.live.log_id != self._log_id:
                raise StartupError(
                    f"Redis holds the read models of another log ({generations.live.log_id}): set REDIS_KEY_PREFIX"
                )
            if generations is None or not generations.live.complete:
                if time.monotonic() > patient_until:
                    raise StartupError(
                        "the read models are being filled from the log by the projectors: there is nothing to rebuild"
                    )
                self._bar.set_description("waiting for a live generation")
                time.sleep(_PAUSE_SECONDS)
                continue
            try:
                beside = self._store.begin_rebuild(generations.live, self._reader.first_positions())
            except LeaseLost:
                if time.monotonic() > held_until:
                    raise StartupError("another rebuild is at work: wait until it has ended") from None
                time.sleep(_PAUSE_SECONDS)
                continue
            if beside.stage in ("filling", "following"):
                return generations.live, beside
            state = "kept beside the live one" if beside.stage == "kept" else "being deleted"
            raise StartupError(f"generation {beside.generation} is {state}: run `python -m projector prune` first")


def main(arguments: Sequence[str]) -> None:
    """Rebuild the read models."""
    parser = argparse.ArgumentParser(
        prog="python -m projector rebuild",
        description="Fill a new generation of the read models from the log beside the live one, compare both, and make "
        "the new one live. Reads and writes go on. A run that was interrupted is gone on with by the next one.",
    )
    parser.add_argument(
        "--accept-differences",
        action="store_true",
        help="make the new generation live though it differs from the live one: after a change of what read models "
        "hold, or where the live ones are wrong",
    )
    asked = parser.parse_args(arguments)
    settings = load(ProjectorSettings)
    log_id = prepare_log(settings)
    store, reader = GenerationStore(settings), LogReader(settings, range(settings.kafka_partitions))
    try:
        with progress_bar("records") as bar:
            compared = Rebuild(settings, log_id, store, reader, bar).run(accept_differences=asked.accept_differences)
        found = store.generations()
    except CannotFlip as error:
        raise StartupError(str(error)) from None
    finally:
        reader.close()
        with suppress(RedisError):  # then the lease ends by itself
            store.release()
        store.close()
    print(f"generation {found.live.generation if found else '?'} is live; compared: {compared}")
