"""What a user in quarantine costs all the others: the p99 of their writes before and meanwhile, and the ratio.

Against a running directory, by the projector's settings and the command API's address. Each round measures the writes
of 100 users, then appends an event that cannot be applied, of one more user, and more behind it all the while,
measures again, and discards what waits.

    python -m benchmarks.quarantine http://127.0.0.1:8001 --rounds 3 --seconds 10
"""

import argparse
import asyncio
import json
import statistics
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from kafka import KafkaProducer
from redis import Redis

from benchmarks.load import LoadResult, http_request, run_load
from projector.event_log import now
from projector.quarantine_cli import DONE
from projector.quarantine_cli import main as quarantine
from projector.settings import ProjectorSettings
from read_models.keys import Keys
from runtime.kafka_connection import options
from runtime.settings import load
from user_directory_events import (
    HEADERS,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserSuspended,
    encode,
    new_event_id,
    partition_of,
)
from user_directory_events.timestamps import ENDLESS

_USERS = 100
_CONNECTIONS = 8
_BEHIND_PER_SECOND = 20


def main() -> None:
    """Measure, and print a line for each round and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the command API")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    settings = load(ProjectorSettings)
    users = [_register(asked.url) for _ in range(_USERS)]
    ratios = []
    for number in range(1, asked.rounds + 1):
        before = asyncio.run(_writes(asked.url, users, asked.seconds))
        victim = _register(asked.url)
        with _parked(settings, victim):
            meanwhile = asyncio.run(_writes(asked.url, users, asked.seconds))
        if quarantine(["discard", victim, "--all"]) != DONE:
            raise SystemExit("the user was not in quarantine, so nothing was measured")
        ratios.append(meanwhile.p99 / before.p99)
        print(
            f"round {number}: p99 {before.p99:.1f} ms before, {meanwhile.p99:.1f} ms meanwhile, ratio {ratios[-1]:.2f}"
        )
        print(
            f"         {before.rate:.0f} and {meanwhile.rate:.0f} writes/s, {before.statuses} and {meanwhile.statuses}"
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


def _register(url: str) -> str:
    body = json.dumps({"email": f"{uuid.uuid4().hex}@example.org", "display_name": "Somebody"}).encode()
    request = Request(f"{url}/users", data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        user_id: str = json.load(answer)["id"]
        return user_id


async def _writes(url: str, users: list[str], seconds: float) -> LoadResult:
    """Change the users' names, one after the other, over a few connections."""
    parts = urlsplit(url)
    turns = cycle(users)

    def next_request() -> bytes:
        body = json.dumps({"display_name": uuid.uuid4().hex}).encode()
        return http_request("PATCH", f"/users/{next(turns)}", body=body)

    return await run_load(
        parts.hostname or "", parts.port or 80, next_request, connections=_CONNECTIONS, seconds=seconds
    )


@contextmanager
def _parked(settings: ProjectorSettings, user_id: str) -> Iterator[None]:
    """Append an event that registers a registered user, and others behind it until the block ends."""
    with Redis.from_url(settings.redis_url) as redis:
        epoch = redis.hget(Keys(settings.redis_key_prefix).guard, "epoch").decode()
    producer = KafkaProducer(**options(settings, "user-directory-benchmark"), acks="all")
    partition = partition_of(user_id, settings.kafka_partitions)
    ended = threading.Event()

    def envelope(sequence: int) -> dict[str, Any]:
        attributes = {"id": new_event_id(), "time": now(), "subject": user_id, "deadline": ENDLESS, "epoch": epoch}
        return {**attributes, "sequence": sequence}

    def append(event: UserEvent) -> None:
        key, value = encode(event)
        producer.send(settings.events_topic, key=key, value=value, headers=HEADERS, partition=partition).get(10)

    def append_behind() -> None:
        sequence = 3
        while not ended.wait(1 / _BEHIND_PER_SECOND):
            append(UserSuspended(**envelope(sequence)))
            sequence += 1

    append(UserRegistered(**envelope(2), data=UserRegisteredData(email=f"{uuid.uuid4().hex}@example.org")))
    behind = threading.Thread(target=append_behind)
    behind.start()
    try:
        yield
    finally:
        ended.set()
        behind.join()
        producer.close()


if __name__ == "__main__":
    main()
