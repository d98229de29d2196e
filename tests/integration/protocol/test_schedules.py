"""The real scripts, projection, verdict and epoch opener, driven through random schedules on a real Redis.

Everything hangs on the seed. PROTOCOL_SCHEDULES sets how many schedules are run, PROTOCOL_SEED the first seed, so
`PROTOCOL_SEED=137 PROTOCOL_SCHEDULES=1` runs again what failed as schedule 137.
"""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.integration.protocol.pace import Pace
from tests.integration.protocol.rules import NOTHING, RULES, LeftOut, left_out
from tests.integration.protocol.schedules import Counts, run_schedule
from tests.integration.protocol.servers import Machines, identity_key
from tests.integration.protocol.violations import Mismatch, Violation

pytestmark = [pytest.mark.redis, pytest.mark.slow]

SCHEDULES = int(os.environ.get("PROTOCOL_SCHEDULES", "300"))
FIRST_SEED = int(os.environ.get("PROTOCOL_SEED", "0"))
# Many times what each takes now, as any change of the code draws other schedules for the same seeds.
MOST_UNTIL_CAUGHT = 400
BROKEN_CLOCKS = Pace(writes=0.9, projection=0.9, guard=0.9, election=0.2, broker_skew_ms=100)


@pytest.fixture(scope="module")
def prefix() -> str:
    return f"protocol-{uuid4()}"


@pytest.fixture(scope="module")
def machines(redis_url: str, prefix: str) -> Iterator[Machines]:
    machines = Machines(redis_url, prefix)
    yield machines
    machines.close()


@pytest.mark.timeout(120 + SCHEDULES)
def test_every_schedule_keeps_all_promises(machines: Machines, prefix: str) -> None:
    total = Counts()
    with left_out(NOTHING, identity_key(prefix)):
        for seed in range(FIRST_SEED, FIRST_SEED + SCHEDULES):
            total += _run(machines, seed, None)
    print(total)
    # A harness in which nothing is written keeps every promise.
    assert total.accepted > 5 * SCHEDULES
    assert total.servers > SCHEDULES


def test_clocks_beyond_the_allowed_skew_lose_no_update_and_no_agreement(machines: Machines, prefix: str) -> None:
    """Uniqueness needs the clocks; that one user's history has no gap and that all replays agree does not."""
    with left_out(NOTHING, identity_key(prefix)):
        for seed in range(30):
            _run(machines, seed, BROKEN_CLOCKS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_left_out_is_missed(machines: Machines, prefix: str, name: str) -> None:
    rule = RULES[name]
    with left_out(rule, identity_key(prefix)):
        seed, violation = _first_violation(machines, rule)
    print(f"without {name}: schedule {seed}: {violation}")
    with left_out(NOTHING, identity_key(prefix)):
        _run(machines, seed, rule.pace)


def _run(machines: Machines, seed: int, pace: Pace | None) -> Counts:
    try:
        return run_schedule(machines, seed, pace)
    except Violation as violation:
        violation.add_note(f"schedule {seed}")
        raise


def _first_violation(machines: Machines, rule: LeftOut) -> tuple[int, Violation]:
    for seed in range(MOST_UNTIL_CAUGHT):
        try:
            run_schedule(machines, seed, rule.pace_without())
        except Violation as violation:
            # What a client was promised has to be broken, not only the books.
            if isinstance(violation, Mismatch):
                raise
            return seed, violation
    pytest.fail(f"nothing missed it in {MOST_UNTIL_CAUGHT} schedules")
