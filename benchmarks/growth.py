"""How reads by id change with the number of users and of workers: `python -m benchmarks.growth [--users 1000000]`.

Two Redis servers are filled by the projector's own calculation, one with 10,000 users, one with all; query APIs of one
and of two workers at each are asked in turns for any of the users over 32 connections. One worker has core 0 as in the
other comparisons; two have both cores, which they share with Redis and the load, so on two cores a second worker shows
what it costs rather than what it brings.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import comparison
from benchmarks.comparison import Question, Sample
from benchmarks.crowded_directory import CrowdedDirectory
from benchmarks.machine import this_machine
from benchmarks.requests import by_turns, loaded
from benchmarks.services import REST, UNDER_TEST, join_the_rest, query_api
from devstack import servers

_CONNECTIONS: Final = 32
_FEW: Final = 10_000
_ASKED_FOR: Final = 50_000


def _directory_of(users: int, stack: ExitStack) -> tuple[str, list[str]]:
    """Fill a Redis; return its URL and paths of users all over it."""
    redis = stack.enter_context(servers.redis())
    crowd = CrowdedDirectory(redis.url)
    for count in crowd.register(users):
        if count % 100_000 == 0:
            print(f"{count:,} users", file=sys.stderr, flush=True)
    return redis.url, [f"/users/{user_id}" for user_id in crowd.ids[:: max(1, users // _ASKED_FOR)]]


def _measured(port: int, paths: Sequence[str], seconds: float) -> Callable[[], Sample]:
    return loaded(port, lambda: by_turns(paths), connections=_CONNECTIONS, seconds=seconds)


def main() -> None:
    """Measure and print."""
    parser = comparison.arguments(__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="the greater number (default: 1000000)")
    arguments = parser.parse_args()
    join_the_rest()
    question = Question(f"GET by id, {_CONNECTIONS} connections", {})
    with TemporaryDirectory() as name, ExitStack() as stack:
        machine = this_machine(Path(name))
        for users in (_FEW, arguments.users):
            url, paths = _directory_of(users, stack)
            one = stack.enter_context(query_api(url))
            two = stack.enter_context(query_api(url, {"WEB_CONCURRENCY": "2"}, cores={UNDER_TEST, REST}))
            question.sides[f"{users:,} users, 1 worker"] = _measured(one, paths, arguments.seconds)
            question.sides[f"{users:,} users, 2 workers"] = _measured(two, paths, arguments.seconds)
        comparison.compare(machine, [question], f"{arguments.users:,} users, 1 worker", arguments)


if __name__ == "__main__":
    main()
