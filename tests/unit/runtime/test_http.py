import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import falcon
import pytest
from falcon.testing import ASGIConductor, TestClient
from prometheus_client import REGISTRY

from runtime import context, json_body, logs
from runtime.http import App, create_falcon_app
from runtime.problems import Problem
from runtime.settings import LogSettings
from runtime.startup import StartupError

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LIMIT = 1024


class _Things:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, thing: str) -> None:
        resp.media = {
            "thing": thing,
            "request_id": context.request_id.get(),
            "traceparent": context.traceparent.get(),
        }

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, thing: str) -> None:
        resp.media = await json_body.read_json(req, LIMIT, ("application/merge-patch+json", "application/json"))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, thing: str) -> None:
        raise Problem("user-deleted", "Gone.")


class _Search:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = req.params


def _app(**options: Any) -> App:
    app = create_falcon_app({"openapi": "3.1.0"}, **{"name": "things", "checks": {}, **options})
    app.add_route("/things/{thing}", _Things())
    app.add_route("/search", _Search())
    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(_app())


def _post(client: TestClient, body: bytes | str, content_type: str | None = "application/json", **headers: str) -> Any:
    given = headers if content_type is None else {"Content-Type": content_type, **headers}
    return client.simulate_post("/things/1", body=body, headers=given)


def test_a_request_without_an_id_gets_a_uuid7(client: TestClient) -> None:
    answer = client.simulate_get("/things/1")
    assert UUID7.fullmatch(answer.headers["x-request-id"])
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_a_sane_request_id_is_kept(client: TestClient) -> None:
    answer = client.simulate_get("/things/1", headers={"X-Request-ID": "order-7/retry.2"})
    assert answer.headers["x-request-id"] == answer.json["request_id"] == "order-7/retry.2"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'quote"', "<script>", "ümlaut"])
def test_any_other_request_id_is_replaced(client: TestClient, given: str) -> None:
    answer = client.simulate_get("/things/1", headers={"X-Request-ID": given})
    assert UUID7.fullmatch(answer.headers["x-request-id"])


def test_a_problem_names_the_request(client: TestClient) -> None:
    answer = client.simulate_delete("/things/1", headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, answer.json["instance"]) == (410, "urn:user-directory:request:r-1")


def test_a_callers_trace_is_continued(client: TestClient) -> None:
    answer = client.simulate_get("/things/1", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert re.fullmatch(rf"00-{TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-01", answer.json["traceparent"])


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}])
def test_without_a_readable_trace_none_is_claimed(client: TestClient, headers: dict[str, str]) -> None:
    assert client.simulate_get("/things/1", headers=headers).json["traceparent"] == ""


async def test_a_request_does_not_inherit_the_trace_of_the_one_before_it() -> None:
    context.traceparent.set(f"00-{TRACE}-00f067aa0ba902b7-01")
    answer = await asyncio.to_thread(TestClient(_app()).simulate_get, "/things/1")
    assert answer.json["traceparent"] == ""


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/*",
        "application/problem+json",
        "text/html, application/json;q=0.1",
        "text/html,*/*;q=0.8",
        "unreadable",
    ],
)
def test_json_is_given_to_whoever_accepts_it(client: TestClient, accept: str) -> None:
    assert client.simulate_get("/things/1", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*, text/plain"])
def test_whoever_excludes_json_gets_406(client: TestClient, accept: str) -> None:
    answer = client.simulate_get("/things/1", headers={"Accept": accept})
    assert (answer.status_code, answer.json["type"]) == (406, "urn:user-directory:problem:not-acceptable")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_path_can_offer_another_media_type() -> None:
    client = TestClient(_app(other_media_types={"/search": "text/event-stream"}))
    assert client.simulate_get("/search", headers={"Accept": "text/event-stream"}).status_code == 200
    assert client.simulate_get("/things/1", headers={"Accept": "text/event-stream"}).status_code == 406


@pytest.mark.parametrize("path", ["/things/1", "/healthz", "/openapi.json", "/readyz", "/metrics"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    get, head = client.simulate_get(path), client.simulate_head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert "content-length" in head.headers


def test_head_is_listed_as_allowed(client: TestClient) -> None:
    assert client.simulate_put("/things/1").headers["allow"] == "DELETE, GET, HEAD, POST, OPTIONS"


def test_an_unknown_path_is_a_404_problem(client: TestClient) -> None:
    answer = client.simulate_get("/nowhere")
    assert (answer.status_code, answer.json["type"]) == (404, "urn:user-directory:problem:not-found")


def test_commas_do_not_split_a_parameter(client: TestClient) -> None:
    assert client.simulate_get("/search", query_string="q=a,b&empty=").json == {"q": "a,b", "empty": ""}


def test_the_openapi_document_is_served(client: TestClient) -> None:
    assert client.simulate_get("/openapi.json").json == {"openapi": "3.1.0"}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=UTF-8", "application/merge-patch+json"],
)
def test_a_body_of_a_known_type_is_read(client: TestClient, content_type: str) -> None:
    assert _post(client, b'{"a":1}', content_type).json == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        (None, {}),
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=latin-1", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
    ],
)
def test_any_other_body_is_a_415_that_lists_what_is_accepted(
    client: TestClient, content_type: str | None, headers: dict[str, str]
) -> None:
    answer = _post(client, b'{"a":1}', content_type, **headers)
    assert (answer.status_code, answer.json["type"]) == (415, "urn:user-directory:problem:unsupported-media-type")
    assert answer.headers["accept"] == "application/merge-patch+json, application/json"


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(client: TestClient) -> None:
    body = json.dumps({"a": "x" * (LIMIT - 8)}, separators=(",", ":")).encode()
    assert len(body) == LIMIT
    assert _post(client, body).status_code == 200
    answer = _post(client, body + b" ")
    assert (answer.status_code, answer.json["type"]) == (413, "urn:user-directory:problem:body-too-large")


class _Client:
    """Sends one request by hand, so that the test decides on its chunks and sees how many were asked for."""

    def __init__(self, chunks: list[bytes], *headers: tuple[bytes, bytes]) -> None:
        self._chunks = chunks
        self.received = 0
        self.status = 0
        self._headers = [(b"content-type", b"application/json"), *headers]

    async def run(self, app: Callable[..., Any]) -> int:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/things/1",
            "query_string": b"",
            "headers": self._headers,
        }
        await app(scope, self._receive, self._send)
        return self.status

    async def _receive(self) -> dict[str, Any]:
        if self.received == len(self._chunks):
            return {"type": "http.disconnect"}
        self.received += 1
        return {"type": "http.request", "body": self._chunks[self.received - 1], "more_body": True}

    async def _send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)


async def test_a_body_without_a_length_is_read_no_further_than_the_limit() -> None:
    sender = _Client([b" " * 512] * 1000)
    assert await sender.run(_app()) == 413
    assert sender.received <= 4


async def test_a_body_announced_too_large_is_refused_before_it_is_read() -> None:
    sender = _Client([b" " * 512] * 1000, (b"content-length", b"512000"))
    assert await sender.run(_app()) == 413
    assert sender.received == 1  # Falcon itself waits for the first


async def test_a_body_cut_short_is_not_taken_for_a_whole_one() -> None:
    assert await _Client([b'{"a":1}'], (b"content-length", b"100")).run(_app()) == 400


async def _good() -> str | None:
    return None


async def _bad() -> str | None:
    return "no brokers"


async def _broken() -> str | None:
    raise ConnectionError


async def _hanging() -> str | None:
    await asyncio.Event().wait()
    return None


def test_health_does_not_depend_on_the_checks() -> None:
    assert TestClient(_app(checks={"kafka": _bad})).simulate_get("/healthz").json == {"status": "alive"}


def test_ready_when_every_check_passes() -> None:
    answer = TestClient(_app(checks={"kafka": _good, "redis": _good})).simulate_get("/readyz")
    assert answer.json == {"status": "ready", "checks": {"kafka": "ok", "redis": "ok"}}


def test_not_ready_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.health.CHECK_TIMEOUT_SECONDS", 0.05)
    checks = {"a": _good, "b": _bad, "c": _broken, "d": _hanging}
    answer = TestClient(_app(checks=checks)).simulate_get("/readyz")
    assert (answer.status_code, answer.json["detail"]) == (503, "Not ready: b, c, d.")
    assert answer.json["checks"] == {"a": "ok", "b": "no brokers", "c": "ConnectionError", "d": "no answer in time"}


def _observed(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    name = "user_directory_http_request_duration_seconds_count"
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "route", "label", "status"),
    [
        ("GET", "/things/john@example.com", "/things/{thing}", "GET", "200"),
        ("DELETE", "/things/1", "/things/{thing}", "DELETE", "410"),
        ("GET", "/nowhere/john@example.com", "none", "GET", "404"),
        ("PROPFIND", "/things/1", "/things/{thing}", "other", "405"),
    ],
)
def test_requests_are_counted_by_route_method_and_status(
    client: TestClient, method: str, path: str, route: str, label: str, status: str
) -> None:
    before = _observed(route, label, status)
    client.simulate_request(method, path)
    assert _observed(route, label, status) == before + 1
    assert "john" not in client.simulate_get("/metrics").text


def test_no_request_stays_in_flight(client: TestClient) -> None:
    for path in ("/things/1", "/nowhere"):
        client.simulate_get(path, headers={"Accept": "text/html"})
    assert REGISTRY.get_sample_value("user_directory_http_requests_in_flight") == 0


def test_metrics_are_in_prometheus_format(client: TestClient) -> None:
    answer = client.simulate_get("/metrics", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE user_directory_http_request_duration_seconds histogram" in answer.text


@pytest.fixture
def _unconfigured_logs() -> Iterator[None]:
    root = logging.getLogger()
    former = root.handlers[:], root.level, sys.excepthook
    root.handlers = []
    yield
    root.handlers, root.level, sys.excepthook = former


@pytest.mark.usefixtures("_unconfigured_logs")
def test_a_request_leaves_one_line_without_its_path_or_query(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(), "query-api")
    client = TestClient(_app(access_log=True))
    client.simulate_get("/things/john@example.com", query_string="q=john", headers={"X-Request-ID": "r-1"})
    client.simulate_get("/healthz")
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert "john" not in line
    assert record.pop("duration_ms") >= 0
    expected = {
        "level": "info",
        "logger": "access",
        "message": "request",
        "process": "query-api",
        "request_id": "r-1",
        "method": "GET",
        "route": "/things/{thing}",
        "status": 200,
    }
    assert expected.items() <= record.items()


@pytest.mark.usefixtures("_unconfigured_logs")
@pytest.mark.parametrize(("level", "access_log"), [("warning", True), ("info", False)])
def test_the_access_log_can_be_switched_off(capsys: pytest.CaptureFixture[str], level: Any, access_log: bool) -> None:
    logs.configure(LogSettings(log_level=level), "query-api")
    TestClient(_app(access_log=access_log)).simulate_get("/things/1")
    assert capsys.readouterr().out == ""


async def test_hooks_run_around_the_requests_the_last_opened_closed_first() -> None:
    seen: list[str] = []

    def hook(name: str) -> Callable[[], Any]:
        async def run() -> None:
            seen.append(name)

        return run

    app = _app(on_startup=[hook("open a"), hook("open b")], on_shutdown=[hook("close a"), hook("close b")])
    async with ASGIConductor(app):
        assert seen == ["open a", "open b"]
    assert seen == ["open a", "open b", "close b", "close a"]


async def test_a_hook_that_fails_keeps_none_of_the_others_from_closing() -> None:
    seen: list[str] = []

    async def fails() -> None:
        raise ConnectionError

    async def closes() -> None:
        seen.append("closed")

    with pytest.raises(RuntimeError):
        async with ASGIConductor(_app(on_shutdown=[closes, fails])):
            pass
    assert seen == ["closed"]


async def test_a_startup_error_of_a_hook_is_remembered_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: list[StartupError] = []
    monkeypatch.setattr("runtime.startup.remember", remembered.append)

    async def fails() -> None:
        raise StartupError("no topic")

    with pytest.raises(RuntimeError):
        async with ASGIConductor(_app(on_startup=[fails])):
            pass
    assert [str(error) for error in remembered] == ["no topic"]
