from tests.sample_events import (
    DEADLINE,
    NOW,
    deleted,
    epoch_opened,
    erased,
    event_id,
    registered,
    tick,
    updated,
    user_id,
)
from user_directory_events import LogIdentity, LogIdentityData, LogRecord, PartitionFold, Verdict

LATE = DEADLINE + 1


def fold(*records: LogRecord, opened: bool = True) -> tuple[PartitionFold, list[Verdict | None]]:
    made = PartitionFold()
    if opened:
        made.apply(epoch_opened(), NOW)
    return made, [made.apply(record, NOW) for record in records]


def test_accepted_events_are_kept_in_order() -> None:
    found, verdicts = fold(registered(1), updated(2, fields={"display_name": "Joe"}), deleted(3, sequence=3))

    assert verdicts == [Verdict.ACCEPTED] * 3
    assert [event.id for event in found.users[user_id()].accepted] == [event_id(1), event_id(2), event_id(3)]
    assert found.users[user_id()].version == 3


def test_users_do_not_meet() -> None:
    found, verdicts = fold(registered(1), registered(2, user=2), updated(3, user=2, fields={"display_name": "Joe"}))

    assert verdicts == [Verdict.ACCEPTED] * 3
    assert (found.users[user_id(1)].version, found.users[user_id(2)].version) == (1, 2)


def test_nothing_is_accepted_before_the_first_epoch() -> None:
    found, verdicts = fold(registered(), opened=False)

    assert verdicts == [Verdict.VOID_EPOCH]
    assert found.users[user_id()].version == 0


def test_a_new_epoch_voids_what_was_sent_under_the_one_before() -> None:
    _, verdicts = fold(registered(1), epoch_opened(epoch="epoch-2"), updated(2, fields={"display_name": "Joe"}))

    assert verdicts == [Verdict.ACCEPTED, None, Verdict.VOID_EPOCH]


def test_records_of_no_user_have_no_verdict() -> None:
    identity = LogIdentity(
        id=event_id(), time="2026-11-24T08:30:00.123Z", data=LogIdentityData(log_id=user_id(), partitions=1)
    )

    found, verdicts = fold(identity, tick(), epoch_opened())

    assert verdicts == [None, None, None]
    assert found.users == {}
    assert found.duplicates == 0


def test_a_later_copy_of_an_accepted_event_is_ignored_and_counted() -> None:
    found, verdicts = fold(registered(1), updated(2, fields={"display_name": "Joe"}), registered(1))

    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, None]
    assert found.duplicates == 1
    assert found.users[user_id()].version == 2


def test_a_later_copy_of_a_void_event_stays_void_though_it_would_fit_by_then() -> None:
    early = updated(2, fields={"display_name": "Joe"})

    found, verdicts = fold(early, registered(1), early)

    assert verdicts == [Verdict.VOID_SEQUENCE, Verdict.ACCEPTED, None]
    assert found.duplicates == 1
    assert found.users[user_id()].version == 1


def test_the_first_copy_decides_though_it_was_late() -> None:
    found, _ = fold()

    assert found.apply(registered(1), LATE) is Verdict.VOID_DEADLINE
    assert found.apply(registered(1), NOW) is None
    assert found.users[user_id()].accepted == []


def test_an_erasure_leaves_nothing_but_itself_and_nothing_follows() -> None:
    found, verdicts = fold(
        registered(1), erased(2), updated(3, sequence=3, fields={"display_name": "Joe"}), registered(4, sequence=3)
    )

    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.VOID_ERASED, Verdict.VOID_ERASED]
    assert [event.id for event in found.users[user_id()].accepted] == [event_id(2)]


def test_an_erasure_is_accepted_after_the_log_has_lost_what_it_erased() -> None:
    found, verdicts = fold(erased(2, sequence=7))

    assert verdicts == [Verdict.ACCEPTED]
    assert found.users[user_id()].version == 7
