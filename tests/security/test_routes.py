"""Every route of both APIs with every scope: only what the table allows."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from falcon.constants import COMBINED_METHODS

from runtime.access_table import MEANINGS, OPEN_PATHS, SCOPES, scope_of
from runtime.http import App
from tests.security import apps
from tests.security.tokens import ADMIN, ERASE, READ, WRITE, Issuer, token
from tests.unit.query_api.memory_directory import make_user

APPS: dict[str, Callable[[Issuer], App]] = {"command": apps.command, "query": apps.query}
ALL_SCOPES = (READ, WRITE, ERASE, ADMIN)
ID = make_user(1).id


def routes(app: App) -> Iterator[tuple[str, str, bool]]:
    """Give every method of every path of an app, and whether a responder of ours is there for it."""
    for node in _nodes(app._router._roots):
        if node.method_map:
            for method, responder in node.method_map.items():
                if method in COMBINED_METHODS and method != "WEBSOCKET":
                    yield method, node.uri_template, responder.__name__.startswith("on_")


def _nodes(nodes: list[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _nodes(node.children)


def concrete(path: str) -> str:
    """Fill in the parameters of a path."""
    return re.sub(r"{\w+}", ID, path)


def served(issuer: Issuer) -> set[tuple[str, str]]:
    return {
        (method, path)
        for make in APPS.values()
        for method, path, ours in routes(make(issuer))
        if ours and path not in OPEN_PATHS
    }


def test_the_table_names_each_route_and_nothing_else(issuer: Issuer) -> None:
    found = served(issuer)
    assert ("DELETE", "/users/{user_id}") in found
    assert {route for route in found if scope_of(*route) is None} == set(), "give these routes a scope"
    assert set(SCOPES) - found == set(), "these routes are gone"


def test_every_scope_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ALL_SCOPES)
    assert set(SCOPES.values()) <= set(MEANINGS)


def test_what_the_table_asks_for_is_what_was_decided() -> None:
    assert {route for route, scope in SCOPES.items() if scope == READ} == {
        ("GET", "/users"),
        ("GET", "/users/count"),
        ("GET", "/users/export"),
        ("POST", "/users/lookup"),
        ("GET", "/users/{user_id}"),
        ("GET", "/users/{user_id}/history"),
        ("GET", "/changes"),
    }


@pytest.mark.parametrize("name", APPS)
async def test_a_route_lets_in_who_has_its_scope_and_nobody_else(name: str, issuer: Issuer) -> None:
    app = APPS[name](issuer)
    asked = 0
    async with apps.client(app) as client:
        for method, path, ours in routes(app):
            if path in OPEN_PATHS or (method, path) == (
                "GET",
                "/changes",
            ):  # whose answer has no end; HEAD stands for it
                continue
            assert (await apps.ask(client, method, concrete(path))).status_code == 401, (method, path)
            for scopes in itertools.chain.from_iterable(itertools.combinations(ALL_SCOPES, n) for n in range(5)):
                answer = await apps.ask(client, method, concrete(path), token(scope=" ".join(scopes)))
                asked += 1
                allowed = scope_of(method, path) in scopes
                if ours:
                    assert (answer.status_code not in (401, 403)) == allowed, (method, path, scopes, answer.text)
                else:
                    assert answer.status_code == (200 if method == "OPTIONS" else 405), (method, path, answer.text)
    assert asked > 500


@pytest.mark.parametrize("name", APPS)
async def test_probes_metrics_and_the_description_are_open(name: str, issuer: Issuer) -> None:
    async with apps.client(APPS[name](issuer)) as client:
        others = {f"/openapi/{api}-api.json" for api in APPS.keys() - {name}}
        for path in [path.replace("{name}", "page.css") for path in OPEN_PATHS - others]:
            for one in (None, "not.a.token"):
                status = (await apps.ask(client, "GET", path, one)).status_code
                assert status == 200 or (path, status) == ("/readyz", 503), path
        assert (await apps.ask(client, "GET", "/nowhere")).status_code == 404


async def test_a_route_that_the_table_does_not_know_is_closed_to_everybody(issuer: Issuer) -> None:
    class Forgotten:
        async def on_get(self, req: Any, resp: Any) -> None:
            resp.media = {"secret": True}

    app = apps.query(issuer)
    app.add_route("/users/{user_id}/forgotten", Forgotten())
    async with apps.client(app) as client:
        path = f"/users/{ID}/forgotten"
        assert (await apps.ask(client, "GET", path)).status_code == 401
        for method in ("GET", "HEAD"):
            answer = await apps.ask(client, method, path, token(scope=" ".join(ALL_SCOPES)))
            assert answer.status_code == 403


@pytest.mark.parametrize("name", APPS)
async def test_the_description_says_what_each_operation_asks_for(name: str, issuer: Issuer) -> None:
    async with apps.client(APPS[name](issuer)) as client:
        document = (await apps.ask(client, "GET", "/openapi.json")).json
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["security"] == [{"bearer": [scope_of(method.upper(), path)]}]
            assert {"401", "403"} <= set(operation["responses"])


@pytest.mark.parametrize("make", [apps.query, apps.command])
async def test_without_tokens_the_description_asks_for_none(make: Callable[..., App], issuer: Issuer) -> None:
    async with apps.client(make(issuer, auth="off")) as client:
        document = (await apps.ask(client, "GET", "/openapi.json")).json
        assert (await apps.ask(client, "GET", f"/users/{ID}")).status_code in (200, 405)
    assert "securitySchemes" not in document["components"]
    assert all("security" not in one for operations in document["paths"].values() for one in operations.values())
