"""The mailing list of examples/, killed again and again beside the relay and the projector while clients write.

    python -m tests.faults.mailing_list_kills --writes 50000 --kills 30

Afterwards the list equals `GET /users` in full, and each letter was written once.
"""

import argparse
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Self

import httpx

from devstack.redis_server import RedisServer
from tests.e2e.public_topics import changes
from tests.faults.relay_kills import check, disturb, program
from tests.mailing_list import MailingList
from tests.stack import Stack

_CAUGHT_UP_SECONDS = 300
_LETTERS = {"user.registered": "welcome", "user.deleted": "farewell"}


class Killer:
    """Kills the list at random moments, and starts it again, until the block ends."""

    def __init__(self, mailing_list: MailingList, seconds: float) -> None:
        self.kills = 0
        self._list, self._seconds = mailing_list, seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: AssertionError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        chance = random.Random(13)
        try:
            while not self._ending.wait(chance.uniform(0.2, 1) * self._seconds):
                self._list.kill()
                self.kills += 1
                self._list.start()
        except AssertionError as failure:
            self._failure = failure


def run(stack: Stack, redis: RedisServer, path: Path, *, writes: int, kills: int, seconds: float) -> str:
    """Disturb all of them, then hold the list against the directory; return the figures."""
    topics = (stack.environ["CHANGES_TOPIC"], stack.environ["USERS_TOPIC"])
    mailing_list = MailingList(stack.environ["KAFKA_BOOTSTRAP_SERVERS"], *topics, path)
    mailing_list.wait_loaded()
    with Killer(mailing_list, seconds) as killer:
        disturb(stack, redis, writes=writes, kills=kills, seconds=seconds)
    told = check(stack)
    with httpx.Client(base_url=stack.query_url, timeout=120, trust_env=False) as client:
        export = client.get("/users/export").raise_for_status().text
    users = map(json.loads, export.splitlines())
    listed = sorted((u["id"], u["version"], u["email"], int(u["status"] == "active")) for u in users)
    mailing_list.wait("SELECT id, version, email, active FROM subscribers ORDER BY id", listed, _CAUGHT_UP_SECONDS)
    mailing_list.kill()
    events = changes(stack)
    wanted = Counter((_LETTERS[event.type], event.subject) for event in events if event.type in _LETTERS)
    assert Counter(mailing_list.rows("SELECT kind, user FROM letters")) == wanted
    verify = [sys.executable, "-m", "user_directory_events", "verify"]
    subprocess.run(verify, env=stack.environ, check=True, timeout=300)
    return (
        f"{told}; the list, killed {killer.kills} times: {len(listed)} users equal, {wanted.total()} letters once each"
    )


def _run(stack: Stack, redis: RedisServer, asked: argparse.Namespace) -> str:
    path = stack.directory / "list.db"
    return run(stack, redis, path, writes=asked.writes, kills=asked.kills, seconds=asked.seconds)


if __name__ == "__main__":
    program(__doc__, _run)
