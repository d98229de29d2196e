"""What the product says while a part of it is away, and what has become of each write once the part is back."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.e2e.log_reader import user_logs
from tests.e2e.people import Body, person
from tests.e2e.processes import TIMEOUT_SECONDS, eventually
from tests.stack import Stack

# The budget of a write, and the second that it may be late.
LONGEST_SECONDS = 9
WRITERS = 8
PROBLEM = "urn:user-directory:problem:"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Clients:
    """One client of each API."""

    command: httpx.Client
    query: httpx.Client

    def owner(self, email: str) -> Body | None:
        """Return the user who has an address."""
        found = self.query.get("/users", params={"email": email})
        assert found.status_code == 200, found.text
        items: list[Body] = found.json()["items"]
        return items[0] if items else None


@pytest.fixture
def clients(breakable: Stack) -> Iterator[Clients]:
    """Return clients of the stack that is to be broken."""
    connect = partial(httpx.Client, timeout=TIMEOUT_SECONDS, trust_env=False)
    with connect(base_url=breakable.command_url) as command, connect(base_url=breakable.query_url) as query:
        yield Clients(command, query)


@dataclass
class Write:
    """A registration under a key, and how it was answered at first."""

    body: Body
    headers: dict[str, str]
    answer: httpx.Response
    seconds: float

    @classmethod
    def send(cls, command: httpx.Client) -> "Write":
        """Send a fresh one."""
        body, headers = person(), {"Idempotency-Key": uuid.uuid4().hex}
        began = time.monotonic()
        answer = command.post("/users", json=body, headers=headers)
        return cls(body, headers, answer, time.monotonic() - began)

    def again(self, command: httpx.Client) -> httpx.Response:
        """Send it again under its key."""
        return command.post("/users", json=self.body, headers=self.headers)


def test_without_kafka_a_write_is_refused_before_its_append_and_pending_after_it(
    breakable: Stack, kafka: KafkaServer, clients: Clients
) -> None:
    writes = write_through_an_outage(clients, kafka.kill)
    kafka.start()
    kafka.wait_ready()
    expect_each_write_once(writes, breakable, clients)


def test_a_frozen_kafka_is_as_good_as_none(breakable: Stack, kafka: KafkaServer, clients: Clients) -> None:
    writes = write_through_an_outage(clients, kafka.pause)
    kafka.resume()
    expect_each_write_once(writes, breakable, clients)


def write_through_an_outage(clients: Clients, begin: Callable[[], None]) -> list[Write]:
    """Write until writes are refused at once; return them all."""
    assert Write.send(clients.command).answer.status_code == 201
    begin()
    until = time.monotonic() + 20

    def write(_: int) -> list[Write]:
        mine: list[Write] = []
        while not mine or mine[-1].answer.status_code != 503:
            assert time.monotonic() < until, "no write was refused"
            mine.append(Write.send(clients.command))
        return mine

    with ThreadPoolExecutor(WRITERS) as pool:
        writes = [one for mine in pool.map(write, range(WRITERS)) for one in mine]
    assert {one.answer.status_code for one in writes} == {202, 503}
    for one in writes:
        assert one.seconds < LONGEST_SECONDS
        if one.answer.status_code == 503:
            assert one.answer.json()["type"] == PROBLEM + "service-unavailable"
            assert int(one.answer.headers["Retry-After"]) >= 1
    assert clients.command.get("/readyz").status_code == 503
    # What is known already can be read.
    assert clients.query.get("/users").status_code == 200
    return writes


def expect_each_write_once(writes: list[Write], stack: Stack, clients: Clients) -> None:
    """Expect that the service resumes, that each answer was true, and that each write happens once if sent again."""
    eventually(lambda: Write.send(clients.command).answer.status_code == 201, "writes are accepted again", 60)
    for one in writes:
        if one.answer.status_code == 202:
            outcome = outcome_of(clients, one.answer.headers["Location"])
            happened = outcome["status"] == "accepted"
            assert clients.query.get(f"/users/{outcome['user_id']}").status_code == (200 if happened else 404)
        else:
            happened = False
        assert (clients.owner(one.body["email"]) is not None) == happened
        before = clients.owner(one.body["email"])
        again = one.again(clients.command)
        assert again.status_code == 201
        assert before is None or again.json() == before
        assert clients.owner(one.body["email"]) == again.json()
    keys = [event.idempotencykey for log in user_logs(stack).values() for event in log.accepted]
    assert len(keys) == len(set(keys))
    assert {one.headers["Idempotency-Key"] for one in writes} <= set(keys)


def outcome_of(clients: Clients, location: str) -> dict[str, Any]:
    """Read what became of a write until it is known."""
    outcome: dict[str, Any] = {}

    def known() -> bool:
        nonlocal outcome
        answer = clients.command.get(location)
        if answer.status_code != 200:
            return False
        outcome = answer.json()
        return bool(outcome["status"] != "pending")

    eventually(known, "the outcome is known", 30)
    assert outcome["status"] in ("accepted", "void", "never_written")
    return outcome


def test_without_redis_nothing_is_written_or_read_and_all_comes_back_from_the_log(
    breakable: Stack, redis: RedisServer, clients: Clients
) -> None:
    written = [Write.send(clients.command) for _ in range(20)]
    changed = clients.command.patch(f"/users/{written[0].answer.json()['id']}", json={"display_name": "Z"})
    redis.kill()
    for _ in range(3):
        refused = Write.send(clients.command)
        assert (refused.answer.status_code, refused.answer.json()["type"]) == (503, PROBLEM + "service-unavailable")
        assert refused.seconds < LONGEST_SECONDS
        for path in ("/users", f"/users/{written[0].answer.json()['id']}"):
            read = clients.query.get(path)
            assert (read.status_code, read.json()["type"]) == (503, PROBLEM + "service-unavailable")
    redis.restart(wipe=True)
    eventually(lambda: Write.send(clients.command).answer.status_code == 201, "writes are accepted again", 30)
    for one in written[1:]:
        assert clients.query.get(one.answer.headers["Location"]).json() == one.answer.json()
    assert clients.query.get(written[0].answer.headers["Location"]).json() == changed.json()
    for one in written:
        again = one.again(clients.command)
        assert (again.status_code, again.content) == (201, one.answer.content)
        assert again.headers["Consistency-Token"] == one.answer.headers["Consistency-Token"]
    assert clients.command.post("/users", json=person(), headers=written[0].headers).status_code == 422


def test_while_redis_is_filled_nobody_is_told_that_a_user_is_not_there(
    breakable: Stack, redis: RedisServer, clients: Clients
) -> None:
    user = Write.send(clients.command).answer.json()
    breakable.projector.pause()
    redis.restart(wipe=True)
    eventually(lambda: clients.query.get("/healthz").status_code == 200, "alive")
    for answer in (
        clients.query.get(f"/users/{user['id']}"),
        clients.query.get("/users"),
        clients.command.patch(f"/users/{user['id']}", json={"display_name": "Z"}),
        clients.command.post("/users", json=person(email=user["email"])),
    ):
        assert (answer.status_code, answer.json()["type"]) == (503, PROBLEM + "service-unavailable")
    breakable.projector.resume()
    eventually(lambda: clients.query.get(f"/users/{user['id']}").status_code == 200, "the user is there again")
    eventually(lambda: Write.send(clients.command).answer.status_code == 201, "writes are accepted again")


def test_without_a_projector_a_write_is_pending_and_its_outcome_is_told_later(
    breakable: Stack, clients: Clients
) -> None:
    first = Write.send(clients.command)
    breakable.projector.kill()
    pending = Write.send(clients.command)
    assert pending.answer.status_code == 202
    location = pending.answer.headers["Location"]
    assert clients.command.get(location).json()["status"] == "pending"
    rival = person(email=pending.body["email"])
    with ThreadPoolExecutor(3) as pool:
        same, refused, other = (
            pool.submit(send)
            for send in (
                partial(pending.again, clients.command),
                partial(clients.command.post, "/users", json=rival),
                partial(clients.command.patch, f"/users/{first.answer.json()['id']}", json={"display_name": "Z"}),
            )
        )
    assert (same.result().status_code, same.result().headers["Location"]) == (202, location)
    assert (refused.result().status_code, refused.result().json()["type"]) == (503, PROBLEM + "service-unavailable")
    assert other.result().status_code == 202
    seconds = [pending.seconds, *(answer.result().elapsed.total_seconds() for answer in (same, refused, other))]
    assert max(seconds) < LONGEST_SECONDS

    breakable.projector.start()
    breakable.projector.wait_ready()
    outcome = outcome_of(clients, location)
    assert outcome["status"] == "accepted"
    user = clients.query.get(f"/users/{outcome['user_id']}").json()
    assert user["email"] == pending.body["email"]
    assert pending.again(clients.command).json() == user
    assert clients.command.post("/users", json=rival).status_code == 409
    assert outcome_of(clients, other.result().headers["Location"])["status"] == "accepted"
    assert clients.query.get(f"/users/{first.answer.json()['id']}").json()["display_name"] == "Z"
