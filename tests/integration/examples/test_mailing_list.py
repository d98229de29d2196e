"""The mailing list of examples/ equals the directory, and wrote each letter once, however often it was killed."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.consumer.kafka_directory import KafkaDirectory
from tests.mailing_list import EXAMPLE, MailingList
from user_directory_events import Gone, User

pytestmark = pytest.mark.kafka
KILLS = 8
BURST = 60


@pytest.fixture
def directory(kafka_bootstrap: str) -> Iterator[KafkaDirectory]:
    made = KafkaDirectory(kafka_bootstrap)
    yield made
    made.close()


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 80


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_list_equals_the_directory_however_often_it_is_killed(directory: KafkaDirectory, tmp_path: Path) -> None:
    dice = random.Random(7)
    early = [directory.register() for _ in range(20)]
    mailing_list = MailingList(directory.bootstrap, directory.changes, directory.users, tmp_path / "list.db")
    mailing_list.wait_loaded()
    moves: Counter[str] = Counter()
    erased = set()

    def burst() -> None:
        for _ in range(BURST):
            there = [user for user, state in directory.states.items() if isinstance(state, User)]
            user = dice.choice(there)
            match dice.choice(["register", "register", "move", "move", "suspend", "reinstate", "delete", "erase"]):
                case "register":
                    directory.register()
                case "move":
                    moves[user] += 1
                    directory.update(user, email=f"{user}.{moves[user]}@example.org")
                case "erase":
                    erased.add(user)
                    directory.erase(user)
                case step:
                    getattr(directory, step)(user)

    for _ in range(KILLS):
        before = mailing_list.rows("SELECT checkpoint FROM place")
        writer = threading.Thread(target=burst)
        writer.start()
        deadline = time.monotonic() + 60
        # Killed while it is at work: behind some of the changes, before others.
        while mailing_list.rows("SELECT checkpoint FROM place") == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        mailing_list.kill()
        writer.join()
        mailing_list.start()

    directory.register()  # so that it is known to be at work again
    there = sorted(
        (u, s.version, s.email, s.status == "active") for u, s in directory.states.items() if isinstance(s, User)
    )
    mailing_list.wait("SELECT id, version, email, active FROM subscribers ORDER BY id", there)
    mailing_list.end()

    letters = Counter((kind, user) for kind, user in mailing_list.rows("SELECT kind, user FROM letters"))
    expected: Counter[tuple[str, str]] = Counter()
    for user, state in directory.states.items():
        if user in erased:
            continue
        expected["new address", user] = moves[user]
        expected["welcome", user] = int(user not in early)
        expected["farewell", user] = int(isinstance(state, Gone))
    assert letters == +expected
