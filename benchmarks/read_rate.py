"""How fast users are read, beside other ways to build such a service: `python -m benchmarks.read_rate [--only id]`.

Everybody holds the same users, by default 10,000, and is asked for them in the same order by the same load
(`benchmarks/load.py`): by id over 1, 32 and 128 connections; by e-mail, the first page of 50, and the first 50 with a
name that begins so, over 32. The query API, or the other service, has core 0; Kafka, Redis, PostgreSQL, projector,
relay and the load have core 1. The limit is redis-benchmark in two places: on core 1, as the load is, and on core 0,
where it has the core of the API to itself.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
from redis import Redis

from benchmarks import comparison, services
from benchmarks.comparison import Question
from benchmarks.crowded_directory import address_of, created_ms, name_of
from benchmarks.imported_directory import ImportedDirectory
from benchmarks.machine import this_machine
from benchmarks.redis_limit import redis_limit
from benchmarks.requests import by_turns, loaded
from benchmarks.rivals import fastapi_redis, flask_postgres, flask_sqlite
from benchmarks.services import REST, UNDER_TEST, Service, Stack, join_the_rest
from user_directory_events.timestamps import from_milliseconds

PREFIX: Final = "user-directory"
_CONNECTIONS: Final = 32
_LIMIT_REQUESTS: Final = 80_000


def users_with(ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Make the users of the directory once more, as the other services store them."""
    for number, user_id in enumerate(ids):
        given, family = name_of(number)
        created = from_milliseconds(created_ms(number))
        yield {
            "id": user_id,
            "email": address_of(number),
            "given": given,
            "family": family,
            "display_name": f"{given} {family}",
            "status": "active",
            "created_at": created,
            "updated_at": created,
            "version": 1,
        }


@contextmanager
def rivals(workspace: Path, redis_url: str, ids: Sequence[str]) -> Iterator[list[Service]]:
    """Start the other services, each with these users."""
    users = list(users_with(ids))
    with ExitStack() as stack:
        database = workspace / "users.db"
        flask_sqlite.fill(database, users)
        postgres = stack.enter_context(services.postgres(workspace))
        flask_postgres.fill(postgres, users)
        fastapi_redis.fill(redis_url, users)
        yield [
            stack.enter_context(services.flask_sqlite(database)),
            stack.enter_context(services.flask_postgres(postgres)),
            stack.enter_context(services.fastapi_redis(redis_url, "pool")),
            stack.enter_context(services.fastapi_redis(redis_url, "link")),
        ]


def by_id(ours: Stack, others: Sequence[Service], ids: Sequence[str], seconds: float) -> list[Question]:
    """Ask for users by id, and Redis for as many bytes."""
    with Redis.from_url(ours.redis) as redis:
        value = orjson.dumps(next(users_with(ids))).ljust(_record_bytes(redis))
    questions = []
    for connections in (1, 32, 128):

        def measured(port: int, connections: int = connections) -> Any:
            paths = [f"/users/{user_id}" for user_id in ids]
            return loaded(port, lambda: by_turns(paths), connections=connections, seconds=seconds)

        question = Question(f"GET by id, {connections} connections", {})
        question.sides |= {side.name: measured(side.reads) for side in (ours, *others)}
        for core in (REST, UNDER_TEST):
            requests = _LIMIT_REQUESTS // (4 if connections == 1 else 1)
            limit = redis_limit(ours.redis, value, connections=connections, requests=requests, core=core)
            question.sides[f"redis-benchmark on core {core}"] = limit
        questions.append(question)
    return questions


def by_other_means(ours: Service, others: Sequence[Service], users: int, seconds: float) -> list[Question]:
    """Ask by e-mail, for the first page, and by the start of a name, for which the services on Redis have no index."""
    some = random.Random(10).sample(range(users), min(users, 1000))
    paths = {
        "GET by e-mail": [f"/users?email={address_of(number)}" for number in some],
        "first page of 50": ["/users"],
        "first 50 by the start of a name": [f"/users?q={name_of(number)[0][:3]}" for number in some],
    }
    questions = []
    for name, asked in paths.items():
        able = [side for side in others if "q=" not in asked[0] or "Flask" in side.name]

        def measured(port: int, asked: Sequence[str] = asked) -> Any:
            return loaded(port, lambda: by_turns(asked), connections=_CONNECTIONS, seconds=seconds)

        sides = {side.name: measured(side.reads) for side in (ours, *able)}
        questions.append(Question(f"{name}, {_CONNECTIONS} connections", sides))
    return questions


def _record_bytes(redis: Redis) -> int:
    key = next(redis.scan_iter(match=f"{PREFIX}:*:u:*", count=1000))
    return int(redis.strlen(key))


def main() -> None:
    """Measure and print."""
    parser = comparison.arguments(__doc__)
    parser.add_argument("--users", type=int, default=10_000, help="how many there are (default: 10000)")
    parser.add_argument("--only", choices=["id", "others"], help="ask only by id, or only the other questions")
    arguments = parser.parse_args()
    join_the_rest()
    with TemporaryDirectory() as name, ExitStack() as stack:
        workspace = Path(name)
        machine = this_machine(workspace)
        ours = stack.enter_context(services.directory(workspace))
        with Redis.from_url(ours.redis) as redis:
            crowd = ImportedDirectory(f"http://127.0.0.1:{ours.writes}", redis, PREFIX)
        for _ in crowd.register(arguments.users):
            pass
        others = stack.enter_context(rivals(workspace, ours.redis, crowd.ids))
        questions = []
        if arguments.only != "others":
            questions += by_id(ours, others, crowd.ids, arguments.seconds)
        if arguments.only != "id":
            questions += by_other_means(ours, others, arguments.users, arguments.seconds)
        comparison.compare(machine, questions, ours.name, arguments)


if __name__ == "__main__":
    main()
