"""How fast 95 % reads and 5 % writes are, beside other ways to build such a service: `python -m benchmarks.mixed_rate`.

Each of 32 clients has one request under way; every 20th registers a user, the others read one by id. The directory's
two APIs share core 0, as the other services read and write there; the rest is on core 1. The median time is that of a
read, the 99th percentile that of a write.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop
from redis import Redis

from benchmarks import comparison, services
from benchmarks.comparison import Question, Sample
from benchmarks.imported_directory import ImportedDirectory
from benchmarks.machine import this_machine
from benchmarks.mixed_load import run_mixed_load
from benchmarks.read_rate import PREFIX, rivals
from benchmarks.requests import by_turns, registrations
from benchmarks.services import Service, join_the_rest

_CLIENTS: Final = 32
_EVERY: Final = 20
_USERS: Final = 10_000


def _measured(side: Service, paths: Sequence[str], seconds: float) -> Callable[[], Sample]:
    def measure() -> Sample:
        kinds, ports = [by_turns(paths), registrations()], [side.reads, side.writes]
        result = uvloop.run(run_mixed_load(ports, kinds, every=_EVERY, clients=_CLIENTS, seconds=seconds))
        if set(result.statuses) != {200, 201} or result.broken:
            raise SystemExit(f"{side.name} answered {result.statuses}, and {result.broken} times not at all")
        return Sample.of(result)

    return measure


def main() -> None:
    """Measure and print."""
    arguments = comparison.arguments(__doc__).parse_args()
    join_the_rest()
    with TemporaryDirectory() as name, ExitStack() as stack:
        workspace = Path(name)
        machine = this_machine(workspace)
        ours = stack.enter_context(services.directory(workspace))
        with Redis.from_url(ours.redis) as redis:
            crowd = ImportedDirectory(f"http://127.0.0.1:{ours.writes}", redis, PREFIX)
        for _ in crowd.register(_USERS):
            pass
        others = stack.enter_context(rivals(workspace, ours.redis, crowd.ids))
        paths = [f"/users/{user_id}" for user_id in crowd.ids]
        sides = {side.name: _measured(side, paths, arguments.seconds) for side in (ours, *others)}
        questions = [Question(f"95 % GET by id, 5 % POST, {_CLIENTS} clients", sides)]
        comparison.compare(machine, questions, ours.name, arguments)


if __name__ == "__main__":
    main()
