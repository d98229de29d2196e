"""Judges a run by its history, the log and the read models; knows the API and the formats, not how they are made."""

from collections.abc import Sequence

from tests.faults.checker import addresses, answers, causes, read_models, reads
from tests.faults.checker.naive_log import tell
from tests.faults.checker.story import bring_together
from tests.faults.driver.evidence import Evidence
from tests.faults.driver.history import Fault, Operation


def violations(operations: Sequence[Operation], faults: Sequence[Fault], evidence: Evidence) -> list[str]:
    """Return all that must not be."""
    told = tell(evidence.log)
    story = bring_together(operations, faults, told)
    return [
        *answers.check(story),
        *addresses.check(story),
        *reads.check(story),
        *causes.check(story),
        *read_models.check(told, evidence),
    ]
