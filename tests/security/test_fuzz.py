"""A short run of the fuzz; `python -m tests.security.fuzz --count 100000 URL URL --pid PID` is the long one."""

import pytest

from tests.security import fuzz
from tests.stack import Stack


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_hostile_is_answered_with_a_fault_or_never(stack: Stack) -> None:
    urls = [stack.command_url, stack.query_url]
    pids = [pid for process in (stack.command_api, stack.query_api) if (pid := process.pid) is not None]
    outcome = fuzz.run(urls, 3000, 1, pids, None, print)
    assert outcome.faults == []
    assert sum(outcome.statuses.values()) > 2000
    assert len(outcome.statuses) > 10
