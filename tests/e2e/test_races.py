"""Many clients who want the same thing at the same moment, of two command APIs."""

import http.client
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from devstack.table import AppProcess
from tests.e2e.log_reader import events_of
from tests.e2e.people import Body, person
from tests.e2e.processes import TIMEOUT_SECONDS
from tests.stack import Stack
from user_directory_events import UserRegistered, UserUpdated

CLIENTS = 64
ROUNDS = 200
UPDATES_EACH = 3

Send = Callable[[str, str, Body, dict[str, str]], tuple[int, Body, str | None]]


def crowd(urls: list[str], work: Callable[[int, Send], Any]) -> list[Any]:
    """Run the work in 64 threads at once, each with a connection of its own to one of the services."""

    def one(number: int) -> Any:
        connection = http.client.HTTPConnection(urlsplit(urls[number % len(urls)]).netloc, timeout=TIMEOUT_SECONDS)

        def send(method: str, path: str, body: Body, headers: dict[str, str]) -> tuple[int, Body, str | None]:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers.get("ETag")

        try:
            return work(number, send)
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


@pytest.fixture
def urls(stack: Stack, second_command_api: AppProcess) -> list[str]:
    """Return the addresses of two command APIs of the same directory."""
    return [stack.command_url, second_command_api.url]


@pytest.mark.slow
def test_of_64_clients_that_race_to_register_one_address_exactly_one_gets_it(
    urls: list[str], query: httpx.Client
) -> None:
    addresses = [f"{uuid.uuid4().hex}@example.org" for _ in range(ROUNDS)]
    together = threading.Barrier(CLIENTS, timeout=60)

    def race(number: int, send: Send) -> list[tuple[int, Body]]:
        answers = []
        for address in addresses:
            spelled = address.upper() if number % 3 else address
            together.wait()
            status, body, _ = send("POST", "/users", person(email=spelled), {})
            answers.append((status, body))
        return answers

    for address, *answers in zip(addresses, *crowd(urls, race), strict=True):
        assert Counter(status for status, _ in answers) == {201: 1, 409: CLIENTS - 1}
        for status, body in answers:
            if status == 409:
                assert body["type"] == "urn:user-directory:problem:value-taken"
                assert [error["pointer"] for error in body["errors"]] == ["/email"]
        winner = next(body for status, body in answers if status == 201)
        assert query.get(f"/users?email={address}").json()["items"] == [winner]


@pytest.mark.slow
def test_no_update_of_64_clients_with_if_match_is_lost_or_overwritten(
    stack: Stack, urls: list[str], register: Callable[..., Body], query: httpx.Client
) -> None:
    user = register()
    path = f"/users/{user['id']}"

    def update(number: int, send: Send) -> list[tuple[int, Body]]:
        tag = '"1"'
        accepted: list[tuple[int, Body]] = []
        while len(accepted) < UPDATES_EACH:
            attributes = {"by": number, "nth": len(accepted)}
            status, body, current = send("PATCH", path, {"attributes": attributes}, {"If-Match": tag})
            assert (status == 200) or (status == 412 and body["type"].endswith(":version-mismatch")), (status, body)
            assert current is not None
            assert current != tag
            if status == 200:
                # Made from what the client had seen, and from nothing newer.
                assert f'"{body["version"] - 1}"' == tag
                assert body["attributes"] == attributes
                accepted.append((body["version"], attributes))
            tag = current
        return accepted

    accepted = sorted((pair for pairs in crowd(urls, update) for pair in pairs), key=lambda pair: pair[0])
    assert [version for version, _ in accepted] == list(range(2, 2 + CLIENTS * UPDATES_EACH))
    first, *updates = events_of(stack, user["id"])
    assert isinstance(first, UserRegistered)
    history = [(event.sequence, event.data.attributes) for event in updates if isinstance(event, UserUpdated)]
    assert history == accepted
    seen = query.get(path).json()
    assert (seen["version"], seen["attributes"]) == accepted[-1]
