import pytest

from read_models.ids import shorten
from read_models.records import (
    HistoryEntry,
    IdempotentOutcome,
    LivePointer,
    PartitionProgress,
    UserRecord,
    split_record,
)
from tests.sample_events import NOW, erased, event_id, registered, suspended, updated, user_id
from user_directory_events import Gone, UnknownSchema, User, UserEvent, evolve
from user_directory_events.timestamps import ENDLESS

JO = evolve(None, registered(fields={"attributes": {"text": "a\nb c"}}))
assert isinstance(JO, User)
RECORDS = [
    UserRecord.of(JO, version=1, partition=3, offset=41, void_ids=[]),
    UserRecord(12, 0, 2**62, "active", b"a\nb \n", (event_id(1), event_id(2)), 'a1 2 a b\t c\t"d e"'),
    UserRecord(2, 3, 42, "gone"),
    UserRecord(7, 3, 43, "erased", b"", (event_id(1),)),
    UserRecord(0, 0, -1, "none", b"", (event_id(1),)),
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


EVENTS = [
    registered(actor="a clerk {of theirs}", correlationid=event_id(9), causationid="x", traceparent="y"),
    registered(fields={"name": None, "attributes": {"": [{}, None, 1e300, 2**70, 0.1, "\u2028 {"]}}, correlationid=""),
    updated(fields={"display_name": None, "attributes": {"a": None}}),
    updated(fields={}),
    suspended(time="1969-12-31T23:59:59.999Z", id="no uuid, but of the right length, 36"),
    erased(sequence=2**40, actor="-"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_a_history_entry_gives_the_event_back_but_for_what_concerned_its_verdict(event: UserEvent) -> None:
    entry = HistoryEntry.of(event, offset=7, timestamp=NOW + 3)

    read = HistoryEntry.decode(entry.encode())

    kept = {"deadline": ENDLESS, "epoch": "", "causationid": None, "traceparent": None}
    assert read == entry
    assert read.event(user_id()) == event.model_copy(update=kept)
    assert read.event(user_id()).data.model_fields_set == event.data.model_fields_set


def test_the_schema_of_an_entry_is_the_one_that_it_was_written_under() -> None:
    entry = HistoryEntry.of(registered(), offset=7, timestamp=NOW)
    with pytest.raises(UnknownSchema):
        entry._replace(schema="user.registered/2").event(user_id())


def test_an_entry_begins_with_what_scripts_read() -> None:
    entry = HistoryEntry.of(registered(), offset=7, timestamp=NOW).encode()

    assert entry.split(b" ")[:3] == [shorten(event_id()).encode(), b"7", str(NOW).encode()]


def test_the_outcome_of_an_idempotency_key_reads_back() -> None:
    outcome = IdempotentOutcome("hash", user_id(), 3, event_id(), 2, 41)

    assert IdempotentOutcome.decode(outcome.encode().encode()) == outcome
