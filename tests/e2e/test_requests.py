"""What HTTP itself offers: conditions, methods, media types, limits, and problems that point at the fault."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.people import Body, person
from tests.e2e.processes import eventually

Register = Callable[..., Body]


def kind(answer: httpx.Response) -> str:
    """Return the problem's type, after checking that it is one."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["type"]).removeprefix("urn:user-directory:problem:")


def pointers(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json().get("errors", [])]


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE", "suspend"])
def test_a_write_happens_at_the_version_that_if_match_names_only(
    command: httpx.Client, register: Register, method: str
) -> None:
    user = register()
    path = f"/users/{user['id']}"
    body = {"PATCH": {"display_name": "Z"}, "PUT": person()}.get(method)
    if method == "suspend":
        method, path = "POST", f"{path}/suspend"

    def write(tag: str) -> httpx.Response:
        return command.request(method, path, json=body, headers={"If-Match": tag})

    stale = write('"7"')
    assert (stale.status_code, kind(stale), stale.headers["ETag"]) == (412, "version-mismatch", '"1"')
    malformed = write("1")
    assert (malformed.status_code, kind(malformed)) == (400, "precondition-invalid")
    assert write('"1"').is_success


def test_a_read_that_the_client_has_already_is_not_sent_again(query: httpx.Client, register: Register) -> None:
    user = register()
    path = f"/users/{user['id']}"
    same = query.get(path, headers={"If-None-Match": '"1"'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", '"1"')
    assert query.get(path, headers={"If-None-Match": '"2"'}).json() == user


def test_head_is_get_without_the_body(query: httpx.Client, register: Register) -> None:
    user = register()
    for path in (f"/users/{user['id']}", f"/users?email={user['email']}"):
        get, head = query.get(path), query.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers.get(name) == get.headers.get(name)


def test_a_read_waits_for_the_state_that_its_token_names(
    command: httpx.Client, query: httpx.Client, register: Register
) -> None:
    user = register()
    seen = query.get(f"/users/{user['id']}").headers["Consistency-Token"]
    head, _, offset = seen.rpartition("-")
    not_yet = f"{head}-{int(offset) + 1_000_000}"
    early = query.get(f"/users/{user['id']}", headers={"Consistency-Token": not_yet, "Prefer": "wait=1"})
    assert (early.status_code, kind(early)) == (503, "not-yet-visible")
    assert early.elapsed.total_seconds() >= 1
    assert int(early.headers["Retry-After"]) >= 1
    changed = command.patch(f"/users/{user['id']}", json={"display_name": "Z"})
    both = f"{seen}, {changed.headers['Consistency-Token']}"
    assert query.get("/users?limit=1", headers={"Consistency-Token": both}).status_code == 200
    foreign = query.get(
        f"/users/{user['id']}", headers={"Consistency-Token": "00000000-0000-7000-8000-000000000000.0-1"}
    )
    assert (foreign.status_code, kind(foreign)) == (400, "invalid-consistency-token")


def test_a_method_that_is_not_there_is_told_which_are(command: httpx.Client, query: httpx.Client) -> None:
    wrong = (
        (command.get("/users"), {"POST"}),
        (command.post("/users/0192d3a0-5b6c-7def-8123-456789abcdef", json={}), {"PATCH", "PUT", "DELETE"}),
        (query.post("/users", json=person()), {"GET", "HEAD"}),
    )
    for answer, allowed in wrong:
        assert (answer.status_code, kind(answer)) == (405, "method-not-allowed")
        assert allowed <= {method.strip() for method in answer.headers["Allow"].split(",")}
    assert kind(command.get("/nowhere")) == "not-found"


def test_a_body_of_ten_megabytes_is_refused_and_the_service_goes_on(command: httpx.Client) -> None:
    huge = json.dumps(person(attributes={"text": "x" * 10_000_000})).encode()
    headers = {"Content-Type": "application/json"}
    whole = command.post("/users", content=huge, headers=headers)
    assert (whole.status_code, kind(whole)) == (413, "body-too-large")
    chunked = command.post(
        "/users", content=(huge[at : at + 65536] for at in range(0, len(huge), 65536)), headers=headers
    )
    assert (chunked.status_code, kind(chunked)) == (413, "body-too-large")
    assert command.post("/users", json=person()).status_code == 201


def test_other_media_types_are_refused(command: httpx.Client, query: httpx.Client) -> None:
    form = command.post("/users", data={"email": "jo@example.org"})
    assert (form.status_code, kind(form)) == (415, "unsupported-media-type")
    packed = command.post("/users", json=person(), headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, kind(packed)) == (415, "unsupported-media-type")
    for answer in (
        query.get("/users", headers={"Accept": "text/html"}),
        command.post("/users", json=person(), headers={"Accept": "text/html"}),
    ):
        assert (answer.status_code, kind(answer)) == (406, "not-acceptable")


@pytest.mark.parametrize(
    ("raw", "slug", "at"),
    [
        ('{"email": ', "malformed-json", [""]),
        ('{"email": "a@example.org", "email": "b@example.org"}', "malformed-json", ["/email"]),
        ('{"email": "a@example.org", "attributes": {"n": NaN}}', "malformed-json", ["/attributes/n"]),
        ('{"email": "a@example.org", "attributes": {"n": [1e400]}}', "malformed-json", ["/attributes/n/0"]),
        ('{"email": "a@example.org", "display_name": "\\ud800"}', "malformed-json", ["/display_name"]),
        ('{"email": "a@example.org", "attributes": ' + '{"a":' * 40 + "1" + "}" * 41, "malformed-json", None),
        ('{"email": 5, "display_name": "Z"}', "invalid-request", ["/email"]),
        ('{"email": "no address", "display_name": "Z"}', "invalid-request", ["/email"]),
        ('{"email": "' + "a" * 250 + '@example.org", "display_name": "Z"}', "invalid-request", ["/email"]),
        ('{"email": "a@example.org", "display_name": "Z\\u0007"}', "invalid-request", ["/display_name"]),
        ('{"email": "a@example.org", "nick": 1, "name": {"x/y": 1}}', "invalid-request", ["/name/x~1y", "/nick"]),
        ('{"email": "a@example.org"}', "invalid-request", ["/name"]),
        ("[]", "invalid-request", [""]),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_at_its_place(command: httpx.Client, raw: str, slug: str, at: list[str] | None) -> None:
    answer = command.post("/users", content=raw, headers={"Content-Type": "application/json"})
    assert (answer.status_code, kind(answer)) == (400, slug)
    assert at is None or sorted(pointers(answer)) == at


def test_a_bad_id_and_an_unknown_one_are_told_apart(command: httpx.Client, query: httpx.Client) -> None:
    for client, method in ((command, "DELETE"), (query, "GET")):
        bad = client.request(method, "/users/17")
        assert (bad.status_code, kind(bad), pointers(bad)) == (400, "invalid-parameter", ["/id"])
        unknown = client.request(method, "/users/0192d3a0-5b6c-7def-8123-456789abcdef")
        assert (unknown.status_code, kind(unknown)) == (404, "user-not-found")


def test_a_foreign_write_token_is_no_write(command: httpx.Client) -> None:
    answer = command.get("/writes/bm90IG91cnM")
    assert (answer.status_code, kind(answer)) == (404, "invalid-write-token")


def test_both_services_describe_themselves(command: httpx.Client, query: httpx.Client) -> None:
    for client in (command, query):
        assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
        assert client.get("/healthz").status_code == 200
        eventually(lambda c=client: c.get("/readyz").status_code == 200, "ready")  # type: ignore[misc]
        assert "user_directory_http_request_duration_seconds_count" in client.get("/metrics").text
