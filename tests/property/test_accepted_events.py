"""A backup takes from the log what the public fold accepts, and what operators discarded, however it is read."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projector.accepted_events import accepted_events, kept_records, user_of
from projector.log_reader import LogReader
from read_models.records import UserRecord
from tests.memory_read_models import MemoryReadModels
from tests.property.logs import Step, log_of, logs
from tests.sample_events import epoch_opened
from tests.small_projector import SmallProjector
from user_directory_events import EventsDiscarded, LogRecord, PartitionFold, UserEvent, Verdict, encode
from user_directory_events.timestamps import ENDLESS


class ListReader(LogReader):
    """Reads a list with holes, a few records a poll."""

    def __init__(self, entries: Sequence[tuple[LogRecord | None, int]], at_once: int) -> None:
        self.records = [
            SimpleNamespace(offset=2 * number, timestamp=timestamp, value=record and encode(record)[1])
            for number, (record, timestamp) in enumerate(entries)
        ]
        self.at_once = at_once
        self.at = 0

    def place(self, partition: int, position: int) -> None:
        self.at = position

    def position(self, partition: int) -> int:
        return self.at

    def read_only(self, partitions: Iterable[int]) -> None:
        assert list(partitions) == [3]

    def poll(self, timeout_ms: int) -> dict[int, Sequence[Any]]:
        found = [record for record in self.records if record.offset >= self.at][: self.at_once]
        assert found, "it polls behind the end"
        self.at = found[-1].offset + 1
        return {3: found}


@given(logs, st.integers(1, 7))
def test_the_accepted_events_are_those_of_the_public_fold(written: list[Step], at_once: int) -> None:
    entries, fold = log_of(written)
    reader = ListReader([*entries, (None, entries[0][1])], at_once)

    told: dict[str, list[UserEvent]] = {}
    stamps = {}
    for event, timestamp in accepted_events(reader, 3, 0, 2 * len(entries) + 1):
        told.setdefault(event.subject, []).append(event)
        stamps[event.id] = timestamp

    assert told == {user: log.accepted for user, log in fold.users.items() if log.accepted}
    first_stamps: dict[str, int] = {}
    for record, timestamp in entries:
        first_stamps.setdefault(record.id, timestamp)
    assert stamps == {event_id: first_stamps[event_id] for event_id in stamps}


@given(logs, st.integers(1, 7))
def test_discards_are_kept_at_their_place_among_the_events_of_their_user(written: list[Step], at_once: int) -> None:
    entries, final = log_of(written)
    expected: dict[str, list[str]] = {}
    fold = PartitionFold()
    for record, timestamp in entries:
        verdict = fold.apply(record, timestamp)
        if isinstance(record, UserEvent) and verdict is Verdict.ACCEPTED:
            expected.setdefault(record.subject, []).append(record.id)
        elif isinstance(record, EventsDiscarded) and record.data.user_id in expected:
            expected[record.data.user_id].append(record.id)
    for user, log in final.users.items():
        if log.erased:
            expected[user] = [log.accepted[-1].id]

    told: dict[str, list[str]] = {}
    reader = ListReader([*entries, (None, entries[0][1])], at_once)
    for kept, _ in kept_records(reader, 3, 0, 2 * len(entries) + 1):
        told.setdefault(user_of(kept), []).append(kept.id)

    assert told == expected


@given(logs, st.integers(0, 30))
def test_nothing_behind_the_end_is_told(written: list[Step], end: int) -> None:
    entries, _ = log_of(written)
    end = min(end, len(entries))
    behind = max(2 * end - 1, 0)
    part = [event.id for event, _ in accepted_events(ListReader(entries, 4), 3, 0, behind)]
    whole = [event.id for event, _ in accepted_events(ListReader(entries[:end], 4), 3, 0, behind)]
    assert part == whole


@given(logs)
def test_a_restored_log_makes_the_same_documents_of_the_same_users(written: list[Step]) -> None:
    entries, fold = log_of(written)
    restored: list[tuple[LogRecord, int]] = [(epoch_opened(epoch="restored"), entries[0][1])]
    for record, timestamp in kept_records(ListReader([*entries, (None, entries[0][1])], 3), 3, 0, 2 * len(entries) + 1):
        new = {"epoch": "restored", "deadline": ENDLESS} if isinstance(record, UserEvent) else {}
        restored.append((record.model_copy(update=new), timestamp))

    users = {user for user, log in fold.users.items() if log.version > 0}
    assert documents(restored, users) == documents(entries, users)


def documents(entries: Sequence[tuple[LogRecord, int]], users: Iterable[str]) -> dict[str, Any]:
    models = MemoryReadModels()
    projector = SmallProjector(models)
    for record, timestamp in entries:
        projector.append(record, timestamp)
    projector.project()
    keys, strings = models.keys.generation(1), models.snapshot()["strings"]
    records = {user: UserRecord.decode(strings[keys.user(user)]) for user in users}
    return {
        user: (r.version, r.presence, r.document, r.waits, r.shown and (r.shown.version, r.shown.discarded))
        for user, r in records.items()
    }
