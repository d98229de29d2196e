"""The OpenAPI document against the app: each kind of answer once, with its status, headers and document."""

import json
from typing import Any

import jsonschema
import pytest
from falcon.testing import Result

from command_api.description import document
from tests.unit.command_api.in_memory import JO, CommandApi

ID = "0192d3a0-5b6c-7def-8123-456789abcdef"
USER, WRITE = "/users/{user_id}", "/writes/{write_token}"
IMPORT = "/users/import"


def check(answer: Result, method: str, path: str, status: int) -> None:
    assert answer.status_code == status
    described = document()["paths"][path][method.lower()]["responses"][str(status)]
    for name in described.get("headers", {}):
        # What an answer has only at times is left out here by the caller's choice of answers.
        assert name.lower() in answer.headers or name in ("Retry-After", "Consistency-Token"), name
    content = described.get("content")
    if content is None:
        assert answer.content == b""
        return
    media_type = answer.headers["content-type"]
    schema = content[media_type]["schema"] | {"components": document()["components"]}
    jsonschema.validate(answer.json, schema)


async def test_the_answers_of_writes_that_happen(api: CommandApi) -> None:
    registered = await api.post("/users", JO | {"external_id": "hr-1", "attributes": {"none": None}})
    path = registered.headers["location"]

    check(registered, "post", "/users", 201)
    check(await api.patch(path, {"display_name": "Joe"}), "patch", USER, 200)
    check(await api.put(path, JO), "put", USER, 200)
    check(await api.put(f"/users/{ID}", JO | {"email": "z@example.org"}, If_None_Match="*"), "put", USER, 201)
    check(await api.post(path + "/suspend"), "post", USER + "/suspend", 200)
    check(await api.post(path + "/reinstate"), "post", USER + "/reinstate", 200)
    check(await api.delete(path), "delete", USER, 204)
    check(await api.post(path + "/erase"), "post", USER + "/erase", 204)


async def test_the_answers_of_writes_that_are_pending(api: CommandApi) -> None:
    paths = [await api.register(email=f"{number}@example.org") for number in range(5)]
    api.log.projects = False

    registered = await api.post("/users", JO)
    check(registered, "post", "/users", 202)
    check(await api.patch(paths[0], {"display_name": "Joe"}), "patch", USER, 202)
    check(await api.put(paths[1], JO | {"email": "1@example.org", "display_name": "Joe"}), "put", USER, 202)
    check(await api.delete(paths[2]), "delete", USER, 202)
    check(await api.post(paths[3] + "/suspend"), "post", USER + "/suspend", 202)
    check(await api.post(paths[4] + "/erase"), "post", USER + "/erase", 202)

    location = registered.headers["location"]
    check(await api.get(location), "get", WRITE, 200)
    api.projector.project_all()
    check(await api.get(location), "get", WRITE, 200)
    check(await api.send("HEAD", location, None), "head", WRITE, 200)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/users", "{", {}, 400),
        ("POST", "/users", JO, {"Accept": "text/html"}, 406),
        ("POST", "/users", JO, {}, 409),
        ("POST", "/users", " " * 100_000, {}, 413),
        ("POST", "/users", "", {"Content_Type": "text/plain"}, 415),
        ("POST", "/users", JO, {"Idempotency_Key": "used"}, 422),
        ("PATCH", "{known}", {"email": 7}, {}, 400),
        ("PATCH", "{unknown}", {}, {}, 404),
        ("PATCH", "{deleted}", {}, {}, 410),
        ("PATCH", "{known}", {}, {"If_Match": '"9"'}, 412),
        ("PUT", "{deleted}", JO, {"If_None_Match": "*"}, 409),
        ("PUT", "{known}", JO, {"If_None_Match": "*"}, 412),
        ("DELETE", "{unknown}", None, {}, 404),
        ("DELETE", "{deleted}", None, {}, 410),
        ("DELETE", "{known}", None, {"If_Match": "nonsense"}, 400),
        ("GET", "/writes/x", None, {}, 404),
        ("POST", IMPORT, "{}", {"Content_Type": "application/json"}, 415),
        ("POST", IMPORT, "mail\n", {"Content_Type": "text/csv"}, 400),
        ("POST", IMPORT, "", {"Content_Type": "text/csv", "Accept": "text/html"}, 406),
    ],
)
async def test_the_answers_of_what_is_refused(
    api: CommandApi, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    places = {"known": await api.register(), "unknown": f"/users/{ID}"}
    places["deleted"] = await api.register(email="deleted@example.org")
    await api.delete(places["deleted"], Idempotency_Key="used")

    answer = await api.send(method, path.format(**places), body, **headers)

    template = USER if path.startswith("{") else WRITE if path.startswith("/writes") else path
    check(answer, method, template, status)


@pytest.mark.parametrize("projects", [True, False])
async def test_each_line_of_an_import(api: CommandApi, projects: bool) -> None:
    api.log.projects = projects
    body = b'{"email":"a@example.org","display_name":"A"}\n' * 2 + b'{"email":"x"}\n{\n'
    answer = await api.post(IMPORT, body, Content_Type="application/x-ndjson")
    api.log.up = False
    stopped = await api.post(IMPORT, body, Content_Type="application/x-ndjson")

    described = document()["paths"][IMPORT]["post"]["responses"]["200"]["content"]
    schema = described[answer.headers["content-type"]]["schema"] | {"components": document()["components"]}
    lines = [json.loads(line) for line in (answer.text + stopped.text).splitlines()]
    assert {line["status"] for line in lines} == ({201, 409, 400, 503} if projects else {202, 503, 400})
    assert "next_row" in lines[-1]
    for line in lines:
        jsonschema.validate(line, schema)
        assert line.keys() <= document()["components"]["schemas"]["ImportedRow"]["properties"].keys()


async def test_the_answer_of_what_cannot_be_served_now(api: CommandApi) -> None:
    path = await api.register()
    api.log.up = False

    check(await api.patch(path, {"display_name": "Joe"}), "patch", USER, 503)


async def test_the_examples_of_fields_make_a_user(api: CommandApi) -> None:
    properties = document()["components"]["schemas"]["UserBody"]["properties"]
    body = {name: schema["examples"][0] for name, schema in properties.items() if "examples" in schema}

    assert {"email", "display_name", "external_id"} <= set(body)
    assert (await api.post("/users", body)).status_code == 201


async def test_every_route_is_described(api: CommandApi) -> None:
    routes = {"/users": {"post"}, IMPORT: {"post"}, USER: {"patch", "put", "delete"}, WRITE: {"get", "head"}}
    routes |= {f"{USER}/{name}": {"post"} for name in ("suspend", "reinstate", "erase")}

    assert {path: set(methods) for path, methods in document()["paths"].items()} == routes
    assert (await api.get("/openapi.json")).json == document()
