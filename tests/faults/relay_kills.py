"""kill -9 of the relay and the projector again and again while clients write, and one loss of Redis.

    python -m tests.faults.relay_kills --writes 50000 --kills 30

Afterwards `user-changes`, read committed, holds exactly the events that the log says were accepted, each once, in order
for each user; and `users` folded equals `GET /users` in full.
"""

import argparse
import json
import random
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import uvloop

from benchmarks.load import http_request, run_load
from devstack import servers
from devstack.redis_server import RedisServer
from tests.e2e.log_reader import user_logs
from tests.e2e.processes import metric
from tests.e2e.public_topics import changes, states
from tests.stack import Stack, running_stack

_CONNECTIONS = 32
_CHANGE_AFTER = 200
_CAUGHT_UP_SECONDS = 300


class Writers:
    """Clients that register users and change, suspend and delete those that are there."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self._users: list[str] = []
        self._random = random.Random(7)

    @property
    def written(self) -> int:
        """Return how many writes were answered to have happened."""
        return sum(count for status, count in self.answers.items() if status in (200, 201, 204))

    def next_request(self) -> bytes:
        chance = self._random.random()
        if chance < 0.5 or len(self._users) < _CHANGE_AFTER:
            body = {"email": f"{uuid.uuid4().hex}@example.org", "name": {"formatted": "Zoë Ångström"}}
            return http_request("POST", "/users", body=json.dumps(body).encode())
        place = self._random.randrange(len(self._users))
        user = self._users[place]
        if chance < 0.85:
            body = {"display_name": uuid.uuid4().hex}
            return http_request("PATCH", f"/users/{user}", body=json.dumps(body).encode())
        if chance < 0.93:
            return http_request("POST", f"/users/{user}/suspend", headers={"Content-Length": "0"})
        self._users[place] = self._users[-1]
        self._users.pop()
        return http_request("DELETE", f"/users/{user}")

    def on_reply(self, status: int, body: bytes) -> None:
        self.answers[status] += 1
        if status == 201:
            self._users.append(json.loads(body)["id"])

    def write_for(self, url: str, seconds: float) -> None:
        """Write as fast as it goes."""
        address = urlsplit(url)
        load = run_load(
            address.hostname or "",
            address.port or 0,
            self.next_request,
            connections=_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=0,
            on_reply=self.on_reply,
        )
        uvloop.run(load)


def disturb(stack: Stack, redis: RedisServer, *, writes: int, kills: int, seconds: float) -> Writers:
    """Write until there are so many writes and kills; once half-way Redis loses all.

    Args:
        stack: the processes.
        redis: their Redis; what it holds is not on disk.
        writes: writes that must have happened, at least.
        kills: how often relay and projector are killed, at once.
        seconds: the time from one kill to the next.
    """
    writers = Writers()
    killed, wiped = 0, False
    chance = random.Random(11)
    while writers.written < writes or killed < kills:
        writing = threading.Thread(target=writers.write_for, args=(stack.command_url, seconds))
        writing.start()
        if killed < kills:
            time.sleep(chance.uniform(0.1, seconds / 2))
            for process in (stack.relay, stack.projector):
                process.kill()
            for process in (stack.relay, stack.projector):
                process.start()
            killed += 1
        if killed >= kills / 2 and not wiped:
            redis.restart(wipe=True)
            wiped = True
        writing.join()
        print(f"{killed} kills, {writers.written} writes", flush=True)
    return writers


def check(stack: Stack) -> str:
    """Hold what other systems read against the log and against what readers get; return the figures."""
    stack.wait_ready()
    accepted = {user: [e.id for e in log.accepted] for user, log in user_logs(stack).items() if log.accepted}
    wanted = sum(map(len, accepted.values()))
    told: dict[str, list[str]] = {}
    deadline = time.monotonic() + _CAUGHT_UP_SECONDS
    while sum(map(len, told.values())) < wanted and time.monotonic() < deadline:
        told = {}
        for event in changes(stack):
            told.setdefault(event.subject, []).append(event.id)
    assert told == accepted
    shown = {user: state for user, state in states(stack).items() if state is not None}
    with httpx.Client(base_url=stack.query_url, timeout=120, trust_env=False) as client:
        export = client.get("/users/export").raise_for_status().text
    listed = {document["id"]: document for document in map(json.loads, export.splitlines())}
    assert {user: json.loads(state.to_json()) for user, state in shown.items()} == listed
    aborted = metric(stack.relay_url, "relay_aborted_transactions_total")
    return (
        f"{wanted} accepted events of {len(accepted)} users told once and in order, {len(listed)} states equal to "
        f"GET /users; transactions aborted by the last relay: {aborted:g}"
    )


def program(purpose: str | None, run: Callable[[Stack, RedisServer, argparse.Namespace], str]) -> None:
    """Run on servers and processes of its own what takes `writes`, `kills` and `seconds`; print what it returns."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10, help="from one kill to the next")
    arguments = parser.parse_args()
    started = time.monotonic()
    quiet = {"LOG_LEVEL": "warning", "ACCESS_LOG": "false"}
    with (
        tempfile.TemporaryDirectory() as directory,
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, Path(directory), **quiet) as stack,
    ):
        print(run(stack, redis, arguments))
    print(f"{time.monotonic() - started:.0f} s")


def _run(stack: Stack, redis: RedisServer, asked: argparse.Namespace) -> str:
    writers = disturb(stack, redis, writes=asked.writes, kills=asked.kills, seconds=asked.seconds)
    return f"answers: {dict(sorted(writers.answers.items()))}\n{check(stack)}"


if __name__ == "__main__":
    program(__doc__, _run)
