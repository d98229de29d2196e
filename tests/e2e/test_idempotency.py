"""A request sent again under its key has its first outcome, whoever is asked."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx

from devstack.table import AppProcess
from tests.e2e.log_reader import events_of, user_logs
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS
from tests.stack import Stack

_SAME = ("Location", "ETag", "Consistency-Token")


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def assert_same(again: httpx.Response, first: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert {name: again.headers.get(name) for name in _SAME} == {name: first.headers.get(name) for name in _SAME}


def test_every_write_sent_again_is_answered_as_at_first(
    stack: Stack, command: httpx.Client, second_command_api: AppProcess
) -> None:
    body = person()
    with httpx.Client(base_url=second_command_api.url, timeout=TIMEOUT_SECONDS, trust_env=False) as second:
        path = f"/users/{uuid.uuid4()}"
        writes = [
            ("PUT", path, body, {"If-None-Match": "*"}),
            ("PATCH", path, {"display_name": "Z"}, {}),
            ("PUT", path, body | {"attributes": {"n": 1}}, {}),
            ("POST", f"{path}/suspend", None, {}),
            ("POST", f"{path}/reinstate", None, {}),
            ("DELETE", path, None, {}),
            ("POST", "/users", body, {}),
        ]
        sent = []
        for method, where, content, headers in writes:
            request = {"method": method, "url": where, "json": content, "headers": headers | key()}
            first = command.request(**request)  # type: ignore[arg-type]
            assert first.is_success, first.text
            sent.append((request, first))
        # By now the user is gone, and its address is another's.
        for request, first in sent:
            for client in (command, second):
                assert_same(client.request(**request), first)  # type: ignore[arg-type]
    assert len(events_of(stack, path.removeprefix("/users/"))) == 6


def test_another_request_under_the_same_key_is_refused(command: httpx.Client) -> None:
    headers, body = key(), person()
    assert command.post("/users", json=body, headers=headers).status_code == 201
    for other in (
        command.post("/users", json=person(), headers=headers),
        command.put(f"/users/{uuid.uuid4()}", json=body, headers=headers | {"If-None-Match": "*"}),
    ):
        assert other.status_code == 422
        assert other.json()["type"] == "urn:user-directory:problem:idempotency-key-reused"


def test_a_refused_request_does_not_use_up_its_key(command: httpx.Client) -> None:
    headers, body = key(), person()
    owner = command.post("/users", json=body).json()
    assert command.post("/users", json=body, headers=headers).status_code == 409
    assert command.delete(f"/users/{owner['id']}").status_code == 204
    assert command.post("/users", json=body, headers=headers).status_code == 201


def test_copies_sent_at_once_make_one_user(stack: Stack, command: httpx.Client, second_command_api: AppProcess) -> None:
    made: dict[str, str] = {}
    with (
        httpx.Client(base_url=second_command_api.url, timeout=TIMEOUT_SECONDS, trust_env=False) as second,
        ThreadPoolExecutor(16) as pool,
    ):
        for _ in range(20):
            headers, body = key(), person()
            copies = [
                pool.submit(client.post, "/users", json=body, headers=headers) for client in (command, second) * 8
            ]
            answers = [copy.result() for copy in copies]
            for answer in answers:
                assert answer.status_code == 201
                assert_same(answer, answers[0])
            made[headers["Idempotency-Key"]] = answers[0].json()["id"]
    under_key = [
        (event.idempotencykey, event.subject)
        for log in user_logs(stack).values()
        for event in log.accepted
        if event.idempotencykey in made
    ]
    assert sorted(under_key) == sorted(made.items())


def test_a_key_that_is_none_is_refused(command: httpx.Client) -> None:
    for bad in ("", "a b", "x" * 256):
        answer = command.post("/users", json=person(), headers={"Idempotency-Key": bad})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (400, "idempotency-key-invalid")
