"""Two projectors share the partitions; where one is killed the other takes over."""

from pathlib import Path

import pytest

from tests.e2e.demo_runs import demo_holds_through
from tests.e2e.processes import another, eventually, samples
from tests.stack import Stack


@pytest.mark.slow
def test_a_killed_projector_is_replaced_by_the_other_and_nothing_is_lost(stack: Stack, tmp_path: Path) -> None:
    with another(stack, "projector", tmp_path) as other:
        eventually(lambda: [partitions(url) for url in (other.url, stack.projector_url)] == [2, 2], "two each")
        demo_holds_through(other.kill, stack, people=1000, at=200)
    eventually(lambda: partitions(stack.projector_url) == 4, "all partitions are one projector's")


def partitions(url: str) -> int:
    """Count the partitions that a projector has."""
    return len(samples(url, "projector_lag_records"))
