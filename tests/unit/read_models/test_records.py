import pytest

from read_models.records import (
    HistoryEntry,
    IdempotentOutcome,
    LivePointer,
    PartitionProgress,
    UserRecord,
    split_record,
)
from tests.sample_events import event_id, registered, user_id
from user_directory_events import Gone, User, evolve

JO = evolve(None, registered(fields={"attributes": {"text": "a\nb c"}}))
assert isinstance(JO, User)
RECORDS = [
    UserRecord(1, 3, 41, "active", JO.to_json(), []),
    UserRecord(12, 0, 2**62, "active", b"a\nb \n", [event_id(1), event_id(2)]),
    UserRecord(2, 3, 42, "gone"),
    UserRecord(7, 3, 43, "erased", b"", [event_id(1)]),
    UserRecord(0, 0, -1, "none", b"", [event_id(1)]),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.presence)
def test_a_users_record_reads_back(record: UserRecord) -> None:
    assert UserRecord.decode(record.encode()) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.presence)
def test_the_quick_reader_reads_the_same(record: UserRecord) -> None:
    version, partition, offset, letter, document = split_record(record.encode())

    assert (int(version), int(partition), int(offset)) == (record.version, record.partition, record.offset)
    assert letter == {"active": "A", "gone": "G", "erased": "E", "none": "N"}[record.presence]
    assert document == record.document


def test_a_record_gives_the_state_that_a_decision_is_made_on() -> None:
    assert RECORDS[0].state(user_id()) == JO
    assert RECORDS[2].state(user_id()) == Gone(id=user_id(), version=2)
    assert RECORDS[3].state(user_id()) == Gone(id=user_id(), version=7, erased=True)
    assert RECORDS[4].state(user_id()) is None


@pytest.mark.parametrize("complete", [True, False])
def test_the_live_pointer_reads_as_scripts_write_it(complete: bool) -> None:
    pointer = LivePointer(12, user_id(), complete)

    assert LivePointer.decode(f"12 {user_id()} {int(complete)}".encode()) == pointer
    assert pointer.identity == f"12 {user_id()}"


@pytest.mark.parametrize("progress", [PartitionProgress(0, 0, None), PartitionProgress(7, -2000, "epoch")])
def test_progress_reads_back(progress: PartitionProgress) -> None:
    assert PartitionProgress.decode(progress.encode().encode()) == progress


def test_a_history_entry_reads_back_though_its_event_has_spaces() -> None:
    entry = HistoryEntry(event_id(), 7, 1_795_509_000_123, b'{"name": "Jo Doe"}')

    assert HistoryEntry.decode(entry.encode()) == entry


def test_the_outcome_of_an_idempotency_key_reads_back() -> None:
    outcome = IdempotentOutcome("hash", user_id(), 3, event_id(), 2, 41)

    assert IdempotentOutcome.decode(outcome.encode().encode()) == outcome
