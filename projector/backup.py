"""`python -m projector backup FILE`: write the accepted events of the log, and which were discarded, to a file."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

from kafka.errors import KafkaError
from tqdm import tqdm

from projector.accepted_events import kept_records
from projector.backup_file import BackupWriter, BadBackup, Header, Trailer, created
from projector.generation_store import GenerationStore
from projector.log_reader import LogReader
from projector.log_setup import prepare_log
from projector.progress_bar import progress_bar
from projector.settings import ProjectorSettings
from projector.store import RedisError
from runtime.settings import load
from runtime.startup import StartupError
from user_directory_events import UnknownSchema
from user_directory_events.timestamps import from_milliseconds


def main(arguments: Sequence[str]) -> None:
    """Back up the log."""
    parser = argparse.ArgumentParser(
        prog="python -m projector backup",
        description="Write the accepted events of the log to a file, as far as the read models are at the beginning. "
        "Reads and writes go on.",
    )
    parser.add_argument("file", help="the file to make, compressed if it ends in .gz; -: standard output")
    parser.add_argument(
        "--to-end",
        action="store_true",
        help="up to the log's end, without Redis: only while nobody writes, else two users may have one address",
    )
    asked = parser.parse_args(arguments)
    settings = load(ProjectorSettings)
    log_id = prepare_log(settings)
    reader = LogReader(settings, range(settings.kafka_partitions))
    try:
        ends = reader.end_positions() if asked.to_end else _projected(settings, log_id)
        with progress_bar("records") as bar, created(asked.file) as out:
            header = Header(
                log_id, from_milliseconds(time.time_ns() // 1_000_000), {str(p): e for p, e in ends.items()}
            )
            trailer = write(BackupWriter(out, header), reader, ends, bar)
    except BadBackup as error:
        raise StartupError(f"{asked.file}: {error}") from None
    except UnknownSchema as error:
        raise StartupError(f"{error}: back up with a release that knows it") from error
    except KafkaError as error:
        raise StartupError(f"Kafka does not answer ({type(error).__name__}): nothing was backed up") from error
    finally:
        reader.close()
    print(f"{trailer.events:,} events of {trailer.users:,} users are in {asked.file}", file=sys.stderr)


def write(writer: BackupWriter, reader: LogReader, ends: Mapping[int, int], bar: "tqdm[None]") -> Trailer:
    """Write all partitions, one after the other: of one at a time it is kept which versions its users have."""
    first = reader.first_positions()
    bar.total = sum(ends[p] - first[p] for p in ends)
    done = 0
    for partition, end in ends.items():
        bar.set_description(f"partition {partition}")
        for kept in kept_records(reader, partition, first[partition], end):
            writer.add(kept)
            bar.update(done + min(reader.position(partition), end) - first[partition] - bar.n)
        done += end - first[partition]
        bar.update(done - bar.n)
    return writer.finish()


def _projected(settings: ProjectorSettings, log_id: str) -> dict[int, int]:
    """Return how far the partitions are projected, at one moment at which every address has one owner.

    The positions of one moment belong together: who claims an address has seen it released. Ends of the log, asked for
    one after the other, do not.
    """
    store = GenerationStore(settings)
    deadline = time.monotonic() + settings.startup_wait_seconds
    try:
        while True:
            try:
                found = store.consistent_positions(log_id, settings.kafka_partitions)
            except RedisError as error:
                reason = f"Redis does not answer ({type(error).__name__})"
            else:
                if isinstance(found, dict):
                    return found
                reason = found
            if time.monotonic() > deadline:
                raise StartupError(
                    f"{reason}: see that the projectors are at work, or stop all writers and use --to-end"
                )
            time.sleep(0.5)
    finally:
        store.close()
