"""How reads by id change with the number of users and of workers: `python -m benchmarks.growth [--users 1000000]`.

Redis is filled by the projector's own calculation, first with 10,000 users, then with all; query APIs of one and of two
workers are asked in turns for any of the users over 32 connections. One worker has core 0 as in the other comparisons;
two have both cores, which they share with Redis and the load, so on two cores a second worker shows what it costs
rather than what it brings.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import comparison
from benchmarks.comparison import Question, Sample
from benchmarks.crowded_directory import CrowdedDirectory
from benchmarks.load import pin_to_core
from benchmarks.machine import this_machine
from benchmarks.requests import by_turns, loaded
from benchmarks.services import REST, UNDER_TEST, query_api
from devstack import servers

_CONNECTIONS: Final = 32
_ASKED_FOR: Final = 50_000


@contextmanager
def _apis(redis_url: str) -> Iterator[dict[str, int]]:
    cores = {UNDER_TEST, REST}
    with query_api(redis_url) as one, query_api(redis_url, {"WEB_CONCURRENCY": "2"}, cores=cores) as two:
        yield {"1 worker": one, "2 workers": two}


def _measured(port: int, paths: Sequence[str], seconds: float) -> Callable[[], Sample]:
    return loaded(port, lambda: by_turns(paths), connections=_CONNECTIONS, seconds=seconds)


def main() -> None:
    """Measure and print."""
    parser = comparison.arguments(__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="the greater number (default: 1000000)")
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed")
    pin_to_core(REST)
    questions = []
    with TemporaryDirectory() as name, servers.redis(Path(name)) as redis:
        machine = this_machine(Path(name))
        crowd = CrowdedDirectory(redis.url)
        for users in (10_000, arguments.users):
            for count in crowd.register(users):
                if count % 100_000 == 0:
                    print(f"{count:,} users", file=sys.stderr, flush=True)
            step = max(1, users // _ASKED_FOR)
            paths = [f"/users/{user_id}" for user_id in crowd.ids[::step]]
            with _apis(redis.url) as ports:
                measures = {side: _measured(port, paths, arguments.seconds) for side, port in ports.items()}
                question = Question(f"GET by id of {users:,} users, {_CONNECTIONS} connections", measures)
                comparison.interleave([question], arguments.rounds)
            questions.append(question)
    comparison.report(machine, questions, "1 worker", arguments.json)


if __name__ == "__main__":
    main()
