"""One batch at a time: what is to be written, told by a table; tests/property folds whole logs."""

from collections.abc import Sequence
from typing import Any

import pytest

from projector.projection import IDEMPOTENCY_KEPT_MS, Judgement, LogEntry, project
from read_models.ids import raw_id
from read_models.keys import Keys
from read_models.listing import claim_tail, instant, time_bytes
from read_models.projector_calls import Batch
from read_models.quarantine import Parked
from read_models.records import HistoryEntry, IdempotentOutcome, PartitionProgress, Shown, UserRecord
from tests.sample_events import (
    DEADLINE,
    EPOCH,
    NOW,
    deleted,
    epoch_opened,
    erased,
    event_id,
    registered,
    reinstated,
    suspended,
    tick,
    updated,
    user_id,
)
from user_directory_events import LogRecord, Name, User, UserEvent, Verdict, evolve
from user_directory_events.timestamps import from_milliseconds

KEYS = Keys("p").generation(1)
ADDRESSES, JO = KEYS.claims("email"), "jo@example.org"
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
    found = UserRecord.of(state, version=len(before), partition=3, offset=9, void_ids=list(void_ids))
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


USER = raw_id(user_id())
CREATED = time_bytes(instant(NOW)) + USER


def everywhere(name: str, *words: str) -> set[tuple[str, bytes]]:
    """Return what a user who was not changed since the registration has in the indexes, but for the claims."""
    return {
        (KEYS.sorted_by("created_at"), CREATED),
        (KEYS.sorted_by("updated_at"), CREATED),
        (KEYS.sorted_by("name"), name.encode() + b"\0" + USER),
        *((KEYS.words, word.encode() + b"\0" + CREATED) for word in words),
    }


def indexed(batch: Batch) -> set[tuple[Any, Any]]:
    return {(key, member) for key, *pairs in changes(batch, "ZADD") for member in pairs[1::2]}


def removed(batch: Batch) -> set[tuple[Any, Any]]:
    return {(key, member) for key, *members in changes(batch, "ZREM") for member in members}


def claim(event: str, address: str) -> tuple[Any, ...]:
    return (ADDRESSES, address, claim_tail(NOW, event, user_id()), KEYS.conflict("email", address))


def unclaim(address: str) -> tuple[Any, ...]:
    return (ADDRESSES, address, USER, KEYS.conflict("email", address))


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
    assert record(batch) == UserRecord.of(state, version=1, partition=3, offset=10, void_ids=[])
    assert changes(batch, "claim") == [claim(event.id, JO)]
    assert changes(batch, "history") == [
        (KEYS.history(user_id()), 1, HistoryEntry.of(event, offset=10, timestamp=NOW).encode())
    ]
    assert indexed(batch) == everywhere("jo doe", "doe", "example", "jo", "org")
    assert changes(batch, "unclaim") == changes(batch, "ZREM") == []


def test_a_change_of_address_releases_the_old_one_and_claims_the_new_one() -> None:
    batch, _ = batch_of(updated(fields={"email": "joe@example.org"}), before=[registered()])

    assert changes(batch, "unclaim") == [unclaim(JO)]
    assert changes(batch, "claim") == [claim(event_id(2), "joe@example.org")]
    assert indexed(batch) == {(KEYS.words, b"joe\0" + CREATED), (KEYS.shared_starts, b"jo\0\1" + USER)}
    assert changes(batch, "ZREM") == []


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

    assert changes(batch, "claim") == [claim(event_id(3), JO)]


def test_a_value_passed_on_within_a_batch_is_released_before_it_is_claimed() -> None:
    batch, _ = batch_of(registered(2, user=2), deleted(3), before=[registered()])

    names = [name for name, _ in batch.changes if name in ("claim", "unclaim")]
    assert names == ["unclaim", "claim"]


def test_a_deletion_leaves_the_index_and_keeps_the_history() -> None:
    batch, _ = batch_of(deleted(), before=[registered()])

    assert record(batch) == UserRecord(2, 3, 10, "gone")
    assert changes(batch, "unclaim") == [unclaim(JO)]
    assert removed(batch) == everywhere("jo doe", "doe", "example", "jo", "org")
    assert changes(batch, "ZADD") == []
    assert changes(batch, "history")[0][1] == 2


def test_a_suspended_user_is_in_an_index_of_each_order_until_reinstated() -> None:
    suspension, _ = batch_of(suspended(2), before=[registered()])
    reinstatement, _ = batch_of(reinstated(3), before=[registered(), suspended(2)])

    everywhere_suspended = {
        (KEYS.suspended_by("created_at"), CREATED),
        (KEYS.suspended_by("updated_at"), CREATED),
        (KEYS.suspended_by("name"), b"jo doe\0" + USER),
        (KEYS.suspended_by("email"), b"jo@example.org\0" + USER),
    }
    assert indexed(suspension) == everywhere_suspended
    assert removed(reinstatement) == everywhere_suspended
    assert removed(suspension) == indexed(reinstatement) == set()


def test_a_change_of_the_name_moves_the_user_in_the_index_by_name_and_changes_the_words() -> None:
    batch, _ = batch_of(
        updated(fields={"name": Name(given="Zoé", family="Doe")}, time=from_milliseconds(NOW + 7)),
        before=[registered()],
    )

    assert removed(batch) == {
        (KEYS.sorted_by("updated_at"), CREATED),
        (KEYS.sorted_by("name"), b"jo doe\0" + USER),
    }
    assert indexed(batch) == {
        (KEYS.sorted_by("updated_at"), time_bytes(instant(NOW + 7)) + USER),
        (KEYS.sorted_by("name"), b"zoe doe\0" + USER),
        (KEYS.words, b"zoe\0" + CREATED),
    }


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
    assert record(batch) == UserRecord(7, 3, 11, "erased")


@pytest.mark.parametrize(("late", "verdict"), [(NOW, Verdict.VOID_SEQUENCE), (DEADLINE + 1, Verdict.VOID_DEADLINE)])
def test_a_void_event_is_remembered_and_changes_nothing_else(late: int, verdict: Verdict) -> None:
    batch, judgements = batch_of(
        updated(7, sequence=5, fields={"email": "joe@example.org"}), before=[registered()], timestamp=late
    )

    assert judgements[0].verdict is verdict
    assert record(batch).void_ids == (event_id(7),)
    assert (record(batch).version, record(batch).offset) == (1, 9)
    assert [name for name, _ in batch.changes] == ["MSET"]


def test_a_void_event_of_nobody_leaves_nobody() -> None:
    batch, _ = batch_of(registered(sequence=2))

    assert record(batch) == UserRecord(0, 3, -1, "none", b"", (event_id(1),))


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


def test_an_event_that_does_not_fit_moves_the_version_and_parks_its_user() -> None:
    batch, judgements = batch_of(suspended(sequence=1))

    assert (judgements[0].verdict, judgements[0].parks) == (Verdict.ACCEPTED, True)
    assert judgements[0].fault == "user.suspended of a user who is not registered"
    assert record(batch) == UserRecord(1, 3, 10, "none", shown=Shown(0, -1, 10))
    assert changes(batch, "claim") == changes(batch, "ZADD") == []
    parked = Parked(user_id(), NOW, 1, "user.suspended of a user who is not registered")
    assert changes(batch, "HSET") == [(KEYS.quarantine, USER, parked.encode())]


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
    members = [arguments[2::2] for arguments in changes(batch, "ZADD") if arguments[0] == KEYS.sorted_by("created_at")]
    assert sum(map(len, members)) == 1200


def test_the_record_is_written_last_since_a_batch_is_computed_anew_from_it() -> None:
    batch, _ = batch_of(
        updated(fields={"email": "joe@example.org"}, idempotencykey="key", idempotencyhash="hash"),
        before=[registered()],
    )

    assert batch.changes[-1][0] == "MSET"
    assert len(batch.changes) > 1
