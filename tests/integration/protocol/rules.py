"""The protocol's rules, each of which can be left out of the real thing to see that the schedules miss it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from read_models import scripts
from tests.integration.protocol import script_edits
from tests.integration.protocol.script_edits import Edit
from user_directory_events import UserEvent, Verdict, judge

Judge = Callable[..., Verdict]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is changed to leave a rule out: texts in scripts, the verdict, or the pace's margin and clocks."""

    edits: Sequence[Edit] = ()
    judge: Judge | None = None
    pace: Mapping[str, int] = field(default_factory=dict)


def _judge_without_deadline(event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool) -> Verdict:
    return judge(event, 0, epoch=epoch, version=version, erased=erased)


def _judge_without_epoch(event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool) -> Verdict:
    return judge(event, timestamp, epoch=event.epoch, version=version, erased=erased)


def _judge_without_sequence(
    event: UserEvent, timestamp: int, *, epoch: str | None, version: int, erased: bool
) -> Verdict:
    return judge(event, timestamp, epoch=epoch, version=event.sequence - 1, erased=erased)


NOTHING = LeftOut()
RULES = {
    "deadline": LeftOut(judge=_judge_without_deadline),
    "epoch": LeftOut(judge=_judge_without_epoch),
    "sequence": LeftOut(judge=_judge_without_sequence),
    "guard": LeftOut(script_edits.WITHOUT_GUARD),
    "replication-id": LeftOut(script_edits.WITHOUT_REPLICATION_ID),
    "reopening": LeftOut(script_edits.WITHOUT_REOPENING),
    "settling": LeftOut(script_edits.SETTLED_BY_A_CLOCK),
    "margin": LeftOut(pace={"margin_ms": 0}),
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
