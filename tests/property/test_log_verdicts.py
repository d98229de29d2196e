"""Verdicts record by record, without the events in memory, are those of the fold that keeps them all."""

from collections.abc import Sequence

from hypothesis import given

from tests.property.logs import Step, log_of, logs
from user_directory_events import PartitionFold, User, UserState, Verdict, encode, evolve
from user_directory_events.log_verdicts import PartitionVerdicts
from user_directory_events.user import CannotEvolve
from user_directory_events.verification import Verification


@given(logs)
def test_verdicts_are_those_of_the_fold(written: Sequence[Step]) -> None:
    entries, _ = log_of(written)
    fold, verdicts = PartitionFold(), PartitionVerdicts(3)

    for offset, (record, timestamp) in enumerate(entries):
        duplicates = fold.duplicates
        verdict = fold.apply(record, timestamp)
        judged = verdicts.judge(offset, timestamp, encode(record)[1])

        assert (judged.verdict, judged.record, judged.partition, judged.offset) == (verdict, record, 3, offset)
        assert judged.duplicate == (fold.duplicates > duplicates)
        assert judged.accepted == (verdict is Verdict.ACCEPTED)


@given(logs)
def test_a_log_agrees_with_the_states_that_it_makes_and_with_no_others(written: Sequence[Step]) -> None:
    entries, fold = log_of(written)
    verdicts, verification = PartitionVerdicts(0), Verification()
    for offset, (record, timestamp) in enumerate(entries):
        verification.take(verdicts.judge(offset, timestamp, encode(record)[1]))
    states: dict[str, UserState] = {}
    unfit = set()
    for user, log in fold.users.items():
        for event in log.accepted:
            try:
                states[user] = evolve(states.get(user), event)
            except CannotEvolve:
                unfit.add(user)
    users = {user: state if isinstance(state, User) else None for user, state in states.items()}

    assert verification.differences(users) == []
    for user in users.keys() - unfit:
        missing = {**users, user: None}
        found = [finding.where for finding in verification.differences(missing)]
        assert found == ([user] if isinstance(states[user], User) else [])
