"""One batch at a time: what is to be written, told by a table; tests/property folds whole logs."""

from collections.abc import Sequence
from typing import Any

import pytest

from projector.projection import IDEMPOTENCY_KEPT_MS, Judgement, LogEntry, project
from read_models.keys import Keys
from read_models.projector_calls import Batch
from read_models.records import HistoryEntry, IdempotentOutcome, PartitionProgress, UserRecord
from tests.sample_events import (
    DEADLINE,
    EPOCH,
    NOW,
    deleted,
    epoch_opened,
    erased,
    event_id,
    registered,
    suspended,
    tick,
    updated,
    user_id,
)
from user_directory_events import CannotEvolve, LogRecord, User, UserEvent, Verdict, encode, evolve

KEYS = Keys("p").generation(1)
CLAIMS = KEYS.claims("email", "jo@example.org")
SKEW = 2000


def batch_of(
    *records: LogRecord,
    before: Sequence[UserEvent] = (),
    void_ids: Sequence[str] = (),
    progress: PartitionProgress | None = None,
    known_ids: Sequence[str] = (),
    timestamp: int = NOW,
) -> tuple[Batch, list[Judgement]]:
    """Project records, the first at offset 10, over a Redis in which user 1 has had the events `before`."""
    state = None
    for event in before:
        state = evolve(state, event)
    document = state.to_json() if isinstance(state, User) else b""
    presence: Any = "active" if document else "gone" if before else "none"
    found = UserRecord(len(before), 3, 9, presence, document, list(void_ids))
    return project(
        [LogEntry(10 + number, timestamp, record) for number, record in enumerate(records)],
        partition=3,
        position=10,
        next_position=10 + len(records),
        progress=progress or PartitionProgress(10, 0, EPOCH),
        records={user_id(): found} if before or void_ids else {},
        known_ids=set(known_ids),
        keys=KEYS,
        skew_ms=SKEW,
    )


def changes(batch: Batch, name: str) -> list[Sequence[Any]]:
    return [arguments for change, arguments in batch.changes if change == name]


def record(batch: Batch, user: int = 1) -> UserRecord:
    (pairs,) = changes(batch, "MSET")
    return UserRecord.decode(dict(zip(pairs[::2], pairs[1::2], strict=True))[KEYS.user(user_id(user))])


def test_a_registration_writes_document_claim_history_and_index() -> None:
    event = registered()

    batch, judgements = batch_of(event)

    state = evolve(None, event)
    assert isinstance(state, User)
    assert [(j.event, j.verdict, j.fault) for j in judgements] == [(event, Verdict.ACCEPTED, None)]
    assert record(batch) == UserRecord(1, 3, 10, "active", state.to_json(), [])
    assert changes(batch, "claim") == [(CLAIMS, user_id(), f"{NOW} {event.id}")]
    assert changes(batch, "history") == [
        (KEYS.history(user_id()), 1, HistoryEntry(event.id, 10, NOW, encode(event)[1]).encode())
    ]
    assert changes(batch, "ZADD") == [(KEYS.by_creation, 0, "2026-11-24T08:30:00.123Z" + user_id())]
    assert changes(batch, "unclaim") == changes(batch, "ZREM") == []


def test_a_change_of_address_releases_the_old_one_and_claims_the_new_one() -> None:
    batch, _ = batch_of(updated(fields={"email": "joe@example.org"}), before=[registered()])

    assert changes(batch, "unclaim") == [(CLAIMS, user_id())]
    assert changes(batch, "claim") == [(KEYS.claims("email", "joe@example.org"), user_id(), f"{NOW} {event_id(2)}")]
    assert changes(batch, "ZADD") == changes(batch, "ZREM") == []


@pytest.mark.parametrize("fields", [{"display_name": "Joe"}, {"email": "JO@example.org"}])
def test_a_change_of_what_is_not_unique_claims_nothing(fields: dict[str, Any]) -> None:
    batch, _ = batch_of(updated(fields=fields), before=[registered()])

    assert changes(batch, "claim") == changes(batch, "unclaim") == []
    assert record(batch).version == 2


def test_a_value_that_is_given_up_and_claimed_again_has_the_mark_of_the_later_claim() -> None:
    batch, _ = batch_of(
        updated(2, sequence=2, fields={"email": "joe@example.org"}),
        updated(3, sequence=3, fields={"email": "jo@example.org"}),
        before=[registered()],
    )

    assert changes(batch, "claim") == [(CLAIMS, user_id(), f"{NOW} {event_id(3)}")]


def test_a_value_passed_on_within_a_batch_is_released_before_it_is_claimed() -> None:
    batch, _ = batch_of(registered(2, user=2), deleted(3), before=[registered()])

    names = [name for name, _ in batch.changes if name in ("claim", "unclaim")]
    assert names == ["unclaim", "claim"]


def test_a_deletion_leaves_the_index_and_keeps_the_history() -> None:
    batch, _ = batch_of(deleted(), before=[registered()])

    assert record(batch) == UserRecord(2, 3, 10, "gone", b"", [])
    assert changes(batch, "unclaim") == [(CLAIMS, user_id())]
    assert changes(batch, "ZREM") == [(KEYS.by_creation, "2026-11-24T08:30:00.123Z" + user_id())]
    assert changes(batch, "history")[0][1] == 2


def test_who_comes_and_goes_within_a_batch_leaves_no_trace_but_record_and_history() -> None:
    batch, _ = batch_of(registered(), deleted())

    assert {name for name, _ in batch.changes} == {"MSET", "history", "feed"}
    assert record(batch).presence == "gone"
    assert len(changes(batch, "history")[0]) == 4


def test_an_erasure_forgets_the_history_but_for_itself() -> None:
    batch, _ = batch_of(suspended(2), erased(3, sequence=7), before=[registered()])

    ((key, entry),) = changes(batch, "forget_history")
    assert (key, HistoryEntry.decode(entry).event_id) == (KEYS.history(user_id()), event_id(3))
    assert changes(batch, "history") == []
    assert record(batch) == UserRecord(7, 3, 11, "erased", b"", [])


@pytest.mark.parametrize(("late", "verdict"), [(NOW, Verdict.VOID_SEQUENCE), (DEADLINE + 1, Verdict.VOID_DEADLINE)])
def test_a_void_event_is_remembered_and_changes_nothing_else(late: int, verdict: Verdict) -> None:
    batch, judgements = batch_of(
        updated(7, sequence=5, fields={"email": "joe@example.org"}), before=[registered()], timestamp=late
    )

    assert judgements[0].verdict is verdict
    assert record(batch).void_ids == [event_id(7)]
    assert (record(batch).version, record(batch).offset) == (1, 9)
    assert [name for name, _ in batch.changes] == ["MSET"]


def test_a_void_event_of_nobody_leaves_nobody() -> None:
    batch, _ = batch_of(registered(sequence=2))

    assert record(batch) == UserRecord(0, 3, -1, "none", b"", [event_id(1)])


@pytest.mark.parametrize("known", [{"known_ids": [event_id(2)]}, {"void_ids": [event_id(2)]}])
def test_a_later_copy_is_no_event_and_writes_nothing(known: dict[str, Any]) -> None:
    batch, judgements = batch_of(suspended(2), before=[registered()], **known)

    assert [j.verdict for j in judgements] == [None]
    assert batch.changes == []
    # What it reserved is settled all the same.
    assert batch.event_ids == [event_id(2)]


def test_a_copy_within_the_batch_is_a_later_copy_too() -> None:
    _, judgements = batch_of(registered(1), registered(2), registered(1), registered(2))

    assert [j.verdict for j in judgements] == [Verdict.ACCEPTED, Verdict.VOID_SEQUENCE, None, None]


def test_an_event_that_does_not_fit_moves_the_version_and_nothing_else() -> None:
    batch, judgements = batch_of(suspended(sequence=1))

    assert judgements[0].verdict is Verdict.ACCEPTED
    assert isinstance(judgements[0].fault, CannotEvolve)
    assert record(batch) == UserRecord(1, 3, 10, "none", b"", [])
    assert changes(batch, "claim") == changes(batch, "ZADD") == []


def test_an_epoch_counts_from_its_own_place_on() -> None:
    batch, judgements = batch_of(
        registered(1),
        epoch_opened(epoch="epoch-2"),
        suspended(2),
        suspended(3, epoch="epoch-2"),
        epoch_opened(epoch="epoch-3"),
    )

    assert [j.verdict for j in judgements] == [Verdict.ACCEPTED, Verdict.VOID_EPOCH, Verdict.ACCEPTED]
    assert batch.epochs == ["epoch-2", "epoch-3"]
    assert batch.progress.epoch == "epoch-3"


@pytest.mark.parametrize(("before", "after"), [(0, NOW - SKEW), (NOW - SKEW, NOW - SKEW), (NOW, NOW)])
def test_the_watermark_stays_behind_the_brokers_clock_and_never_goes_back(before: int, after: int) -> None:
    batch, _ = batch_of(tick(), progress=PartitionProgress(10, before, EPOCH))

    assert batch.progress == PartitionProgress(11, after, EPOCH)
    assert batch.changes == []


def test_an_accepted_event_records_what_its_idempotency_key_led_to() -> None:
    event = registered(actor="clerk", idempotencykey="key", idempotencyhash="hash")

    batch, _ = batch_of(event)

    outcome = IdempotentOutcome("hash", user_id(), 1, event.id, 3, 10)
    assert changes(batch, "SET") == [
        (KEYS.idempotency("clerk", "key"), outcome.encode(), "PXAT", NOW + IDEMPOTENCY_KEPT_MS)
    ]


def test_a_void_event_leaves_its_idempotency_key_free() -> None:
    batch, _ = batch_of(registered(sequence=2, idempotencykey="key", idempotencyhash="hash"))

    assert changes(batch, "SET") == []


def test_no_change_has_more_arguments_than_lua_can_unpack() -> None:
    batch, _ = batch_of(*(registered(number, user=number, email=f"{number}@example.org") for number in range(1, 1201)))

    assert max(len(arguments) for _, arguments in batch.changes) <= 1001
    pairs = [argument for arguments in changes(batch, "MSET") for argument in arguments]
    assert len(pairs) == 2400
    members = [argument for arguments in changes(batch, "ZADD") for argument in arguments[1:]]
    assert len(members) == 2400


def test_the_record_is_written_last_since_a_batch_is_computed_anew_from_it() -> None:
    batch, _ = batch_of(
        updated(fields={"email": "joe@example.org"}, idempotencykey="key", idempotencyhash="hash"),
        before=[registered()],
    )

    assert batch.changes[-1][0] == "MSET"
    assert len(batch.changes) > 1
