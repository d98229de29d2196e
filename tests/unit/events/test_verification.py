"""What is a fault of a log, and what only looks like one."""

import itertools

from tests.sample_events import NOW, epoch_opened, erased, registered, suspended, updated, user_id
from user_directory_events import LogRecord, User, encode, evolve
from user_directory_events.cli.verify import compare
from user_directory_events.log_verdicts import PartitionVerdicts
from user_directory_events.verification import Verification


def verified(*records: LogRecord | bytes | None) -> Verification:
    verdicts, verification = PartitionVerdicts(0), Verification()
    for offset, record in enumerate((epoch_opened(), *records)):
        value = record if record is None or isinstance(record, bytes) else encode(record)[1]
        verification.take(verdicts.judge(offset, NOW, value))
    return verification


def faults(verification: Verification) -> list[tuple[str, str]]:
    return [(finding.kind, finding.where) for finding in verification.faults_of_the_log()]


def test_a_lost_race_is_no_fault() -> None:
    assert faults(verified(registered(1), updated(2, sequence=1, fields={"display_name": "Jo"}))) == []


def test_an_event_whose_predecessor_is_missing_is_a_gap() -> None:
    assert faults(verified(registered(1), updated(2, sequence=4, fields={"display_name": "Jo"}))) == [("gap", "0-2")]


def test_what_an_erasure_left_over_is_no_gap() -> None:
    left_over = updated(2, sequence=2, fields={"display_name": "Jo"})

    assert faults(verified(None, left_over, erased(3, sequence=3))) == []


def test_an_erasure_settles_what_did_not_fit_before() -> None:
    verification = verified(suspended(1, sequence=1), erased(2, sequence=2))

    assert faults(verification) == [("unfit", "0-1")]
    assert [f.where for f in verification.differences({})] == []


def test_a_user_who_does_not_fit_is_compared_with_nothing() -> None:
    verification = verified(suspended(1, sequence=1), registered(2, user=2))

    assert [finding.where for finding in verification.differences({})] == [user_id(2)]


def test_a_later_copy_is_a_fault_and_counts_once() -> None:
    verification = verified(registered(1), registered(1))

    assert faults(verification) == [("duplicate", "0-2")]
    assert verification.counts == {"records": 3, "control records": 1, "accepted": 1, "duplicates": 1}


def test_findings_tell_nothing_of_a_person() -> None:
    verification = verified(registered(1), registered(1), registered(2, sequence=2), registered(3, user=2))
    found = [*verification.faults_of_the_log(), *verification.differences({})]

    assert len(found) == 3
    assert not any("example.org" in finding.detail or "Jo" in finding.detail for finding in found)


def test_users_who_lag_behind_are_waited_for() -> None:
    event = updated(2, fields={"display_name": "Jo"})
    verification = verified(registered(1), event)
    before, after = evolve(None, registered(1)), verification.states[user_id()]
    answers = [before, before, after]

    def read() -> dict[str, User | None]:
        state = answers.pop(0)
        assert isinstance(state, User)
        return {user_id(): state}

    assert compare(lambda: None, read, verification, 60) == []
    assert answers == []


def test_a_log_that_moves_on_is_walked_again_and_who_was_right_once_is_not_looked_at_again() -> None:
    verdicts, verification = PartitionVerdicts(0), Verification()
    log = iter([epoch_opened(), registered(1), registered(2, user=2), registered(3, user=3)])

    def walk(count: int = 1) -> None:
        for record in itertools.islice(log, count):
            verification.take(verdicts.judge(0, NOW, encode(record)[1]))

    walk(3)
    # `users` is ahead by a user at first; then one who was right is found changed, which the next walk would tell.
    third = evolve(None, registered(3, user=3))
    assert isinstance(third, User)
    ahead: dict[str, User | None] = {user_id(3): third}
    ahead |= {user: state for user, state in verification.states.items() if isinstance(state, User)}
    answers = [ahead, {**ahead, user_id(1): None}]

    assert compare(walk, lambda: answers.pop(0), verification, 60) == []


def test_patience_ends() -> None:
    verification = verified(registered(1))

    assert [finding.where for finding in compare(lambda: None, dict, verification, 0)] == [user_id()]
