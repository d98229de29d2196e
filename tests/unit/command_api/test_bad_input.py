"""What a client can get wrong, and that each has a problem of its own with the place of the fault."""

import json
from typing import Any

import pytest

from command_api.decide import MOST_ATTRIBUTE_BYTES
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem

ID = "0192d3a0-5b6c-7def-8123-456789abcdef"
# Each way to send a body.
BODIES = [("POST", "/users"), ("PUT", f"/users/{ID}"), ("PATCH", f"/users/{ID}")]

every_way = pytest.mark.parametrize(("method", "path"), BODIES)


@every_way
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"", [""]),
        (b"  ", [""]),
        (b"{", [""]),
        (b'{"email":}', [""]),
        (b"{'email':'jo@example.org'}", [""]),
        (b'{"email":"jo@example.org",}', [""]),
        (b'{} {"second":1}', [""]),
        (b'{"email":"\xff@example.org"}', [""]),
        (b'\xef\xbb\xbf{"email":"jo@example.org"}', [""]),
        (b'{"email":"jo\n@example.org"}', [""]),
        (b'{"email":"a@example.org","email":"b@example.org"}', ["/email"]),
        (b'{"attributes":{"a":[{"b":1,"b":2}]}}', ["/attributes/a/0/b"]),
        (b'{"attributes":{"a":NaN}}', ["/attributes/a"]),
        (b'{"attributes":{"a":-Infinity}}', ["/attributes/a"]),
        (b'{"attributes":{"a":1e400}}', ["/attributes/a"]),
        (b'{"attributes":{"a":18446744073709551616}}', ["/attributes/a"]),
        (b'{"attributes":{"a":' + b"9" * 5000 + b"}}", ["/attributes/a"]),
        (b'{"display_name":"\\ud800"}', ["/display_name"]),
    ],
    ids=repr,
)
async def test_what_is_not_json_is_refused(
    api: CommandApi, method: str, path: str, body: bytes, pointers: list[str]
) -> None:
    assert problem(await api.send(method, path, body)) == (400, "malformed-json", pointers)


@every_way
@pytest.mark.parametrize(("depth", "place"), [(33, "/attributes/a"), (5_000, "")])
async def test_what_is_nested_too_deep_is_refused(
    api: CommandApi, method: str, path: str, depth: int, place: str
) -> None:
    answer = await api.send(method, path, '{"attributes":{"a":' + "[" * depth + "]" * depth + "}}")

    status, slug, pointers = problem(answer)
    assert (status, slug) == (400, "malformed-json")
    assert [pointer[: len(place)] for pointer in pointers] == [place]


@every_way
@pytest.mark.parametrize("body", [[], "text", 7, True, [JO]], ids=repr)
async def test_what_is_no_object_is_refused(api: CommandApi, method: str, path: str, body: Any) -> None:
    assert problem(await api.send(method, path, json.dumps(body))) == (400, "invalid-request", [""])


@every_way
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "jo"}, "/email"),
        ({"email": "x" * 250 + "@example.org"}, "/email"),
        ({"email": 7}, "/email"),
        ({"email": None}, "/email"),
        ({"name": "Jo"}, "/name"),
        ({"name": {"given": "a\nb"}}, "/name/given"),
        ({"name": {"given": "\u0000"}}, "/name/given"),
        ({"name": {"middle": "X"}}, "/name/middle"),
        ({"display_name": "a\u0007b"}, "/display_name"),
        ({"display_name": "x" * 257}, "/display_name"),
        ({"external_id": ""}, "/external_id"),
        ({"attributes": []}, "/attributes"),
        ({"attributes": "x"}, "/attributes"),
        ({"id": ID}, "/id"),
        ({"status": "suspended"}, "/status"),
        ({"version": 7}, "/version"),
        ({"created_at": "2026-11-24T08:30:00.123Z"}, "/created_at"),
        ({"updated_at": "2026-11-24T08:30:00.123Z"}, "/updated_at"),
        ({"colour": "blue"}, "/colour"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
    ids=repr,
)
async def test_a_field_that_cannot_be_so_is_named(
    api: CommandApi, method: str, path: str, fields: dict[str, Any], pointer: str
) -> None:
    answer = await api.send(method, path, JO | fields)

    assert problem(answer) == (400, "invalid-request", [pointer])
    assert api.log.sent == []


async def test_all_faults_are_told_together(api: CommandApi) -> None:
    answer = await api.post("/users", {"name": {"given": "", "middle": "X"}, "colour": "blue"})

    status, slug, pointers = problem(answer)
    assert (status, slug) == (400, "invalid-request")
    assert set(pointers) == {"/email", "/name/given", "/name/middle", "/colour"}


@pytest.mark.parametrize("body", [{"email": "jo@example.org"}, {"email": "jo@example.org", "name": {}}])
async def test_a_user_has_a_name(api: CommandApi, body: dict[str, Any]) -> None:
    assert problem(await api.post("/users", body)) == (400, "invalid-request", ["/name"])


async def test_the_last_name_cannot_be_removed(api: CommandApi) -> None:
    path = await api.register()

    assert problem(await api.patch(path, {"name": None})) == (400, "invalid-request", ["/name"])


@pytest.mark.parametrize("size", [MOST_ATTRIBUTE_BYTES - 7, 50_000])
async def test_attributes_have_at_most_16_kib(api: CommandApi, size: int) -> None:
    path = await api.register(email="first@example.org")
    body = {"attributes": {"a": "x" * size}}

    for answer in (await api.post("/users", JO | body), await api.patch(path, body), await api.put(path, JO | body)):
        assert problem(answer) == (400, "invalid-request", ["/attributes"])


async def test_attributes_may_have_16_kib(api: CommandApi) -> None:
    await api.register(attributes={"a": "x" * (MOST_ATTRIBUTE_BYTES - 8)})


@every_way
@pytest.mark.parametrize("size", [SETTINGS.max_body_bytes + 1, 10 * 1024 * 1024])
async def test_a_body_that_is_too_large_is_refused(api: CommandApi, method: str, path: str, size: int) -> None:
    assert problem(await api.send(method, path, b" " * size)) == (413, "body-too-large", [])


async def test_a_body_of_the_largest_size_is_read(api: CommandApi) -> None:
    body = json.dumps(JO).encode().ljust(SETTINGS.max_body_bytes)

    assert (await api.post("/users", body)).status_code == 201


@every_way
@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/xml"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "application/json; charset=latin-1"},
        {"Content_Type": "application/json-patch+json"},
        {"Content_Type": "nonsense"},
        {"Content_Encoding": "gzip"},
    ],
    ids=repr,
)
async def test_another_media_type_is_refused_with_those_that_are_not(
    api: CommandApi, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await api.send(method, path, json.dumps(JO), **headers)

    assert problem(answer) == (415, "unsupported-media-type", [])
    assert "application/json" in answer.headers["accept"]
    assert ("application/merge-patch+json" in answer.headers["accept"]) == (method == "PATCH")


async def test_a_merge_patch_is_for_patch_only(api: CommandApi) -> None:
    path = await api.register()
    merge_patch = {"Content_Type": "application/merge-patch+json"}

    assert (await api.patch(path, json.dumps({"display_name": "Jo"}), **merge_patch)).status_code == 200
    assert problem(await api.put(path, json.dumps(JO), **merge_patch)) == (415, "unsupported-media-type", [])
    assert problem(await api.post("/users", json.dumps(JO), **merge_patch)) == (415, "unsupported-media-type", [])


@pytest.mark.parametrize("user_id", ["7", "jo@example.org", ID[:-1], ID + "0", ID.replace("-", ""), "%00", "{" + ID])
@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PATCH", "", {}),
        ("PUT", "", JO),
        ("DELETE", "", None),
        ("POST", "/suspend", None),
        ("POST", "/reinstate", None),
    ],
)
async def test_an_id_that_is_no_uuid_is_refused(
    api: CommandApi, method: str, suffix: str, body: Any, user_id: str
) -> None:
    answer = await api.send(method, f"/users/{user_id}{suffix}", body)

    assert problem(answer) == (400, "invalid-parameter", ["/id"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/users", {"POST", "OPTIONS"}),
        ("DELETE", "/users", {"POST", "OPTIONS"}),
        ("GET", f"/users/{ID}", {"PATCH", "PUT", "DELETE", "OPTIONS"}),
        ("POST", f"/users/{ID}", {"PATCH", "PUT", "DELETE", "OPTIONS"}),
        ("GET", f"/users/{ID}/suspend", {"POST", "OPTIONS"}),
        ("PUT", f"/users/{ID}/reinstate", {"POST", "OPTIONS"}),
        ("POST", "/writes/x", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_another_method_is_refused_with_those_that_are_not(
    api: CommandApi, method: str, path: str, allowed: set[str]
) -> None:
    answer = await api.send(method, path, None)

    assert problem(answer) == (405, "method-not-allowed", [])
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/user", f"/users/{ID}/erase/all", "/writes", "/%2e%2e/etc/passwd"])
async def test_another_path_is_not_found(api: CommandApi, path: str) -> None:
    assert problem(await api.get(path)) == (404, "not-found", [])


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0", "image/*"])
async def test_who_takes_no_json_is_refused_before_anything_happens(api: CommandApi, accept: str) -> None:
    answer = await api.post("/users", JO, Accept=accept)

    assert answer.status_code == 406
    assert answer.json["type"] == "urn:user-directory:problem:not-acceptable"
    assert api.log.sent == []


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.1"])
async def test_who_takes_json_gets_it(api: CommandApi, accept: str) -> None:
    assert (await api.post("/users", JO, Accept=accept)).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\tb"])
async def test_an_idempotency_key_of_another_form_is_refused(api: CommandApi, key: str) -> None:
    assert problem(await api.post("/users", JO, Idempotency_Key=key)) == (400, "idempotency-key-invalid", [])


@pytest.mark.parametrize("header", ["3", '"3', "", '"3" "4"'])
@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PATCH", "", {}),
        ("PUT", "", JO),
        ("DELETE", "", None),
        ("POST", "/suspend", None),
        ("POST", "/reinstate", None),
    ],
)
async def test_a_precondition_of_another_form_is_refused(
    api: CommandApi, method: str, suffix: str, body: Any, header: str
) -> None:
    path = await api.register()

    answer = await api.send(method, path + suffix, body, If_Match=header)

    assert problem(answer) == (400, "precondition-invalid", [])


async def test_a_fault_says_nothing_of_what_was_sent(api: CommandApi) -> None:
    answer = await api.post("/users", {"email": "Rosa Luxemburg", "display_name": "Rosa\nLuxemburg"})

    assert answer.status_code == 400
    assert "Luxemburg" not in answer.text
