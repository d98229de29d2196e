"""What it costs a read to ask who reads, how often, and to log it: `python -m benchmarks.guard_cost`.

Three query APIs on core 0 serve the same users from one Redis: one lets everybody in; one checks each request's token
and counts the request for subject and address; one does so and writes the access log, which is the default. They are
asked by turns for users by id, with the same token.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import comparison
from benchmarks.comparison import Question
from benchmarks.crowded_directory import CrowdedDirectory
from benchmarks.machine import this_machine
from benchmarks.requests import by_turns, loaded
from benchmarks.services import join_the_rest, query_api
from devstack import servers
from devstack.tokens import Issuer

_OPEN: Final = "without"
_GUARDED: Final = "with token check and rate limits"
_LOGGED: Final = "the same, with the access log"
# Above what the load sends in the default window of the limits, so that nothing is refused.
_QUOTA: Final = "2000000"
_TOKEN_SECONDS: Final = 3600
_USERS: Final = 10_000


@contextmanager
def apis(redis_url: str, workspace: Path) -> Iterator[tuple[Mapping[str, int], str]]:
    """Run the APIs; yield their ports, and a token."""
    issuer = Issuer(workspace)
    issuer.prepare()
    token = issuer.token(["users:read"], subject="reader", seconds=_TOKEN_SECONDS, environ={})
    limits = {"RATE_LIMIT_SUBJECT": _QUOTA, "RATE_LIMIT_ADDRESS": _QUOTA}
    guarded = {"AUTH": "on", **issuer.settings({}), **limits}
    with (
        query_api(redis_url) as without,
        query_api(redis_url, guarded) as with_guards,
        query_api(redis_url, {**guarded, "ACCESS_LOG": "true"}) as with_log,
    ):
        yield {_OPEN: without, _GUARDED: with_guards, _LOGGED: with_log}, token


def main() -> None:
    """Measure and print."""
    arguments = comparison.arguments(__doc__).parse_args()
    join_the_rest()
    with TemporaryDirectory() as name, servers.redis(Path(name)) as redis:
        workspace = Path(name)
        machine = this_machine(workspace)
        crowd = CrowdedDirectory(redis.url)
        for _ in crowd.register(_USERS):
            pass
        paths = [f"/users/{user_id}" for user_id in crowd.ids]
        with apis(redis.url, workspace) as (ports, token):
            headers = {"Authorization": f"Bearer {token}"}
            questions = []
            for connections in (32, 128):
                measures = {
                    side: loaded(
                        port, lambda: by_turns(paths, headers), connections=connections, seconds=arguments.seconds
                    )
                    for side, port in ports.items()
                }
                questions.append(Question(f"GET by id, {connections} connections", measures))
            comparison.compare(machine, questions, _GUARDED, arguments)


if __name__ == "__main__":
    main()
