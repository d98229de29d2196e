"""The verdict: by which rule every reader of the log agrees which events were accepted.

A function of the log alone, and within it of the event's own partition alone, so replaying the partitions at different
speeds gives the same verdicts.
"""

from enum import Enum

from user_directory_events.timestamps import to_milliseconds
from user_directory_events.user_events import UserErased, UserEvent


class Verdict(Enum):
    """Accepted, or void and why; void is for ever."""

    ACCEPTED = "accepted"
    VOID_EPOCH = "void: epoch"
    VOID_DEADLINE = "void: deadline"
    VOID_SEQUENCE = "void: sequence"
    VOID_ERASED = "void: erased"


def judge(event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool) -> Verdict:
    """Give the verdict on the first copy of an event; a later copy of the same id has none.

    Args:
        event: the event.
        timestamp: when the broker appended it, in milliseconds since 1970 (LogAppendTime).
        epoch: the epoch of the newest epoch record before it in its partition; None: there is none.
        version: the sequence of the user's last accepted event, 0 where there is none.
        erased: the user's last accepted event is `user.erased`.
    """
    if event.epoch != epoch:
        return Verdict.VOID_EPOCH
    if timestamp > to_milliseconds(event.deadline):
        return Verdict.VOID_DEADLINE
    if erased:
        return Verdict.VOID_ERASED
    # An erasure removes the user's earlier events, some or all, so a replay may not know how many there were.
    follows = event.sequence > version if isinstance(event, UserErased) else event.sequence == version + 1
    return Verdict.ACCEPTED if follows else Verdict.VOID_SEQUENCE
