"""The protocol's rules, each of which can be left out of the real thing to see that the schedules miss it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from read_models import scripts
from tests.integration.protocol import script_edits
from tests.integration.protocol.pace import Pace
from tests.integration.protocol.script_edits import Edit
from user_directory_events import UserEvent, Verdict, judge

Judge = Callable[..., Verdict]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is changed to leave a rule out, and the pace at which that is missed soon.

    `edits` change scripts, `judge` replaces the verdict, `margin_ms` the margin of the watermark.
    """

    pace: Pace
    edits: Sequence[Edit] = ()
    judge: Judge | None = None
    margin_ms: int | None = None

    def pace_without(self) -> Pace:
        """Return the pace of the world that lacks the rule."""
        return self.pace if self.margin_ms is None else replace(self.pace, margin_ms=self.margin_ms)


def _judge_without_deadline(
    event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool
) -> Verdict:
    return judge(event, 0, epoch=epoch, version=version, erased=erased)


def _judge_without_epoch(event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool) -> Verdict:
    return judge(event, timestamp, epoch=event.epoch, version=version, erased=erased)


def _judge_without_sequence(
    event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool
) -> Verdict:
    return judge(event, timestamp, epoch=epoch, version=event.sequence - 1, erased=erased)


_STEADY = Pace(writes=0.9, projection=0.9, guard=0.9, late_append=0.5)
_FAILING = Pace(writes=0.7, projection=0.9, guard=0.9, fault=0.03)

NOTHING = LeftOut(_STEADY)
RULES = {
    "deadline": LeftOut(_STEADY, judge=_judge_without_deadline),
    "epoch": LeftOut(_FAILING, judge=_judge_without_epoch),
    # Within the allowed skew the reservations alone keep a user's versions apart.
    "sequence": LeftOut(replace(_STEADY, election=0.2, broker_skew_ms=100, margin_ms=0), judge=_judge_without_sequence),
    "guard": LeftOut(replace(_FAILING, guard=0.1), edits=script_edits.WITHOUT_GUARD),
    "replication-id": LeftOut(
        replace(_FAILING, writes=0.9, guard=0.1, fault=0.1, fail_back=0.8, late_append=0.5),
        edits=script_edits.WITHOUT_REPLICATION_ID,
    ),
    "reopening": LeftOut(replace(_FAILING, guard=0.3), edits=script_edits.WITHOUT_REOPENING),
    "settling": LeftOut(_STEADY, edits=script_edits.SETTLED_BY_A_CLOCK),
    "margin": LeftOut(replace(_STEADY, election=0.2, allowed_skew_ms=80, margin_ms=80, broker_skew_ms=80), margin_ms=0),
}


@contextmanager
def left_out(rule: LeftOut, identity_key: str) -> Iterator[None]:
    """Give the scripts their seams, and take a rule out."""
    with pytest.MonkeyPatch.context() as patch:
        for name, script in script_edits.edited([*script_edits.seams(identity_key), *rule.edits]).items():
            patch.setattr(scripts, name, script)
        if rule.judge is not None:
            for module in ("projector.projection", "user_directory_events.log_fold"):
                patch.setattr(f"{module}.judge", rule.judge)
        yield
