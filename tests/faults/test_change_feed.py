"""Readers of the change feed who are cut off again and again, and a wiped Redis: each change is seen once, in order."""

from pathlib import Path

import pytest
from redis import Redis

from benchmarks import change_feed_check
from benchmarks.change_feed_check import Findings, compare
from benchmarks.change_follower import Seen
from devstack.redis_server import RedisServer
from tests.e2e.log_reader import user_logs
from tests.e2e.processes import another
from tests.stack import Stack

WRITES, CUTS = 2000, 20

pytestmark = pytest.mark.slow


def accepted(stack: Stack) -> dict[str, list[str]]:
    """Read what the log says by its own rules."""
    return {user_id: [event.id for event in log.accepted] for user_id, log in user_logs(stack).items() if log.accepted}


def test_each_change_is_seen_once_and_in_order(breakable: Stack, redis: RedisServer, tmp_path: Path) -> None:
    def wipe() -> None:
        with Redis.from_url(redis.url) as client:
            client.flushall()

    with another(breakable, "query-api", tmp_path) as second:
        found = change_feed_check.run(
            breakable.command_url,
            [breakable.query_url, second.url],
            lambda: accepted(breakable),
            wipe,
            writes=WRITES,
            cuts=CUTS,
        )

    for findings in found:
        assert findings.hold, findings
        assert findings.connections > CUTS
    assert sum(map(len, accepted(breakable).values())) >= WRITES * 0.99


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["a", "b"], Findings(0, 0, 0, 0, 0, 0)),
        (["a"], Findings(1, 0, 0, 1, 0, 0)),
        (["a", "b", "b"], Findings(0, 1, 0, 1, 0, 0)),
        (["b", "a"], Findings(0, 0, 0, 1, 0, 0)),
        (["a", "b", "c"], Findings(0, 0, 1, 1, 0, 0)),
    ],
)
def test_the_comparison_finds_every_fault(ids: list[str], expected: Findings) -> None:
    """Else the test above would show nothing."""
    seen = [Seen(event_id, "user", 1) for event_id in ids]

    assert compare(seen, {"user": ["a", "b"]}) == expected
    assert expected.hold is (ids == ["a", "b"])
