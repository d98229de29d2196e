import pytest

from tests.sample_events import DEADLINE, EPOCH, deleted, erased, registered, suspended, updated
from user_directory_events import UserEvent, Verdict, judge
from user_directory_events.timestamps import ENDLESS

A, E, D, S, X = (
    Verdict.ACCEPTED,
    Verdict.VOID_EPOCH,
    Verdict.VOID_DEADLINE,
    Verdict.VOID_SEQUENCE,
    Verdict.VOID_ERASED,
)


@pytest.mark.parametrize(
    ("event", "timestamp", "epoch", "version", "user_erased", "verdict"),
    [
        # The deadline's own millisecond still counts.
        (registered(), 0, EPOCH, 0, False, A),
        (registered(), DEADLINE - 1, EPOCH, 0, False, A),
        (registered(), DEADLINE, EPOCH, 0, False, A),
        (registered(), DEADLINE + 1, EPOCH, 0, False, D),
        (registered(deadline=ENDLESS), 10**14, EPOCH, 0, False, A),
        # The epoch is that of the partition now, neither an earlier nor a later one.
        (registered(), DEADLINE, "epoch-2", 0, False, E),
        (registered(), DEADLINE, None, 0, False, E),
        (registered(), DEADLINE, EPOCH.upper(), 0, False, E),
        # The next sequence and no other.
        (registered(sequence=2), 0, EPOCH, 0, False, S),
        (registered(), 0, EPOCH, 1, False, S),
        (updated(sequence=2, fields={}), 0, EPOCH, 1, False, A),
        (updated(sequence=2, fields={}), 0, EPOCH, 2, False, S),
        (updated(sequence=4, fields={}), 0, EPOCH, 2, False, S),
        (suspended(sequence=8), 0, EPOCH, 7, False, A),
        (deleted(sequence=8), 0, EPOCH, 7, False, A),
        (deleted(sequence=9), 0, EPOCH, 7, False, S),
        # An erasure may find fewer events than there were, but not more.
        (erased(sequence=8), 0, EPOCH, 7, False, A),
        (erased(sequence=8), 0, EPOCH, 3, False, A),
        (erased(sequence=8), 0, EPOCH, 0, False, A),
        (erased(sequence=8), 0, EPOCH, 8, False, S),
        (erased(sequence=8), 0, EPOCH, 9, False, S),
        (erased(sequence=8), DEADLINE + 1, EPOCH, 7, False, D),
        (erased(sequence=8), 0, "epoch-2", 7, False, E),
        # After an erasure nothing more.
        (updated(sequence=9, fields={}), 0, EPOCH, 8, True, X),
        (registered(sequence=9), 0, EPOCH, 8, True, X),
        (erased(sequence=9), 0, EPOCH, 8, True, X),
        # Of several reasons the first in this order is told: epoch, deadline, erased, sequence.
        (registered(sequence=5), DEADLINE + 1, "epoch-2", 8, True, E),
        (registered(sequence=5), DEADLINE + 1, EPOCH, 8, True, D),
        (registered(sequence=5), DEADLINE, EPOCH, 8, True, X),
    ],
)
def test_the_verdict(
    event: UserEvent, timestamp: int, epoch: str | None, version: int, user_erased: bool, verdict: Verdict
) -> None:
    assert judge(event, timestamp, epoch=epoch, version=version, erased=user_erased) is verdict


def test_the_time_of_the_decision_does_not_count() -> None:
    event = registered(time="1999-12-31T23:59:59.999Z")

    assert judge(event, DEADLINE, epoch=EPOCH, version=0, erased=False) is Verdict.ACCEPTED
