"""A user from registration to deletion, through both APIs."""

import json
import uuid
from collections.abc import Callable

import httpx

from tests.e2e.log_reader import events_of
from tests.e2e.people import Body, person
from tests.stack import Stack

Register = Callable[..., Body]


def see(query: httpx.Client, path: str, token: str) -> httpx.Response:
    """Read something not older than a write."""
    return query.get(path, headers={"Consistency-Token": token, "Prefer": "wait=10"})


def test_a_registered_user_is_found_by_id_by_email_and_in_the_list(command: httpx.Client, query: httpx.Client) -> None:
    body = person(
        display_name="Zoë", external_id=uuid.uuid4().hex, attributes={"team": "north", "list": [], "n": 2**53}
    )
    written = command.post("/users", json=body)
    assert written.status_code == 201
    user, token = written.json(), written.headers["Consistency-Token"]
    assert written.headers["Location"] == f"/users/{user['id']}"
    assert written.headers["ETag"] == '"1"'
    assert uuid.UUID(user["id"]).version == 7
    assert {key: user[key] for key in body} == body
    assert (user["status"], user["version"]) == ("active", 1)
    assert user["created_at"] == user["updated_at"]

    by_id = see(query, f"/users/{user['id']}", token)
    assert (by_id.status_code, by_id.json(), by_id.headers["ETag"]) == (200, user, '"1"')
    by_email = see(query, f"/users?email={body['email'].upper()}", token)
    assert by_email.json() == {"items": [user], "next": None}
    newest = see(query, "/users?sort=-created_at&limit=1", token)
    assert newest.json()["items"] == [user]


def test_the_list_names_each_user_once_from_page_to_page(query: httpx.Client, register: Register) -> None:
    users = [register() for _ in range(7)]
    wanted = {user["id"] for user in users}
    path = "/users?sort=-created_at&limit=3"
    found: list[str] = []
    while not wanted <= set(found):
        page = query.get(path)
        assert len(page.json()["items"]) <= 3
        found += [user["id"] for user in page.json()["items"]]
        if page.json()["next"] is None:
            break
        path = page.links["next"]["url"]
    assert len(found) == len(set(found))
    assert [user_id for user_id in found if user_id in wanted] == [user["id"] for user in reversed(users)]


def test_every_change_is_answered_with_the_user_that_readers_then_see(
    stack: Stack, command: httpx.Client, query: httpx.Client, register: Register
) -> None:
    user = register(display_name="Zoë", attributes={"a": {"b": 1, "c": 2}})
    path = f"/users/{user['id']}"

    def step(answer: httpx.Response, version: int, **changes: object) -> None:
        nonlocal user
        assert answer.status_code == 200, answer.text
        user = user | changes | {"version": version, "updated_at": answer.json()["updated_at"]}
        assert answer.json() == {key: value for key, value in user.items() if value is not None}
        assert answer.headers["ETag"] == f'"{version}"'
        assert see(query, path, answer.headers["Consistency-Token"]).json() == answer.json()

    patch = {"display_name": None, "attributes": {"a": {"c": None}, "d": [1]}}
    merge_patch = {"Content-Type": "application/merge-patch+json"}
    step(
        command.patch(path, json=patch, headers=merge_patch), 2, display_name=None, attributes={"a": {"b": 1}, "d": [1]}
    )
    step(command.patch(path, json={"name": {"family": "Å"}}), 3, name={"formatted": "Zoë Ångström", "family": "Å"})
    step(command.patch(path, json={"name": {"family": "Å"}}), 3)
    moved = person()["email"]
    step(
        command.put(path, json={"email": moved, "display_name": "Z"}), 4,
        email=moved, display_name="Z", name=None, attributes={},
    )  # fmt: skip
    step(command.post(f"{path}/suspend"), 5, status="suspended")
    step(command.post(f"{path}/suspend"), 5, status="suspended")
    step(command.post(f"{path}/reinstate"), 6, status="active")
    step(command.post(f"{path}/reinstate"), 6, status="active")
    assert [event.type for event in events_of(stack, user["id"])] == [
        "user.registered", "user.updated", "user.updated", "user.updated", "user.suspended", "user.reinstated",
    ]  # fmt: skip


def test_the_past_of_a_user_stays(command: httpx.Client, query: httpx.Client, register: Register) -> None:
    documents = [register(display_name="Zoë")]
    path = f"/users/{documents[0]['id']}"
    documents.append(command.patch(path, json={"display_name": None, "attributes": {"email": "x"}}).json())
    documents.append(command.post(f"{path}/suspend").json())
    token = command.delete(path).headers["Consistency-Token"]

    history = see(query, f"{path}/history", token).json()
    assert [(item["version"], item["type"]) for item in history["items"]] == [
        (1, "user.registered"), (2, "user.updated"), (3, "user.suspended"), (4, "user.deleted"),
    ]  # fmt: skip
    assert history["items"][1]["changes"] == [
        {"field": "display_name", "from": "Zoë", "to": None},
        {"field": "attributes", "from": {}, "to": {"email": "x"}},
    ]
    for number, document in enumerate(documents):
        at_version = query.get(path, params={"version": number + 1})
        assert (at_version.json(), at_version.headers["ETag"]) == (document, f'"{number + 1}"')
        at_time = query.get(path, params={"at": history["items"][number]["recorded_at"]})
        assert at_time.json()["version"] >= number + 1
    assert query.get(path, params={"version": 4}).status_code == 410
    assert query.get(path, params={"version": 5}).status_code == 404


def test_many_users_are_read_at_once(query: httpx.Client, register: Register) -> None:
    users = [register() for _ in range(3)]
    body = {"ids": [users[0]["id"], str(uuid.uuid4())], "emails": [users[1]["email"].upper()]}

    found = query.post("/users/lookup", json=body).json()
    assert [item["user"] for item in found["items"]] == users[:2]
    assert found["missing"] == [{"id": body["ids"][1], "reason": "unknown"}]

    exported = [json.loads(line) for line in query.get("/users/export").text.splitlines()]
    assert [user for user in exported if user in users] == users
    last = users[-1]
    rest = query.get("/users/export", params={"after": f"{last['created_at']},{last['id']}"}).text
    assert users[0]["id"] not in rest
    assert last["id"] not in rest


def test_a_deleted_user_is_gone_for_ever_and_the_address_is_free(
    command: httpx.Client, query: httpx.Client, register: Register
) -> None:
    user = register(external_id=uuid.uuid4().hex)
    path = f"/users/{user['id']}"
    deleted = command.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    token = deleted.headers["Consistency-Token"]
    for answer in (
        see(query, path, token),
        command.patch(path, json={"display_name": "again"}),
        command.delete(path),
        command.post(f"{path}/suspend"),
        command.put(path, json=person()),
    ):
        assert (answer.status_code, answer.json()["type"]) == (410, "urn:user-directory:problem:user-deleted")
    again = command.put(path, json=person(), headers={"If-None-Match": "*"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:user-directory:problem:id-taken")
    assert see(query, f"/users?email={user['email']}", token).json()["items"] == []
    successor = command.post("/users", json=person(email=user["email"], external_id=user["external_id"]))
    assert successor.status_code == 201
    assert successor.json()["id"] != user["id"]


def test_a_client_may_choose_the_id_once(command: httpx.Client, query: httpx.Client) -> None:
    user_id, body = str(uuid.uuid4()), person()
    assert command.put(f"/users/{user_id}", json=body).status_code == 404
    created = command.put(f"/users/{user_id.upper()}", json=body, headers={"If-None-Match": "*"})
    assert (created.status_code, created.headers["Location"]) == (201, f"/users/{user_id}")
    assert see(query, f"/users/{user_id}", created.headers["Consistency-Token"]).json() == created.json()
    assert command.put(f"/users/{user_id}", json=person(), headers={"If-None-Match": "*"}).status_code == 412


def test_a_value_of_another_user_is_refused_by_its_name(command: httpx.Client, register: Register) -> None:
    owner, other = register(external_id=uuid.uuid4().hex), register()
    for field, value in (("email", owner["email"].upper()), ("external_id", owner["external_id"])):
        for answer in (
            command.patch(f"/users/{other['id']}", json={field: value}),
            command.post("/users", json=person(**{field: value})),
        ):
            assert answer.status_code == 409
            assert answer.json()["type"] == "urn:user-directory:problem:value-taken"
            assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
    own = command.patch(f"/users/{owner['id']}", json={"email": owner["email"].upper()})
    assert (own.status_code, own.json()["version"]) == (200, 2)
