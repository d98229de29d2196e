import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.health_server import HealthServer
from runtime.server import serve_health
from runtime.startup import StartupError

reasons: dict[str, str | None] = {}


def _broken() -> str | None:
    raise ConnectionError


@pytest.fixture
def server() -> Iterator[HealthServer]:
    reasons.clear()
    with serve_health("127.0.0.1", 0, {"redis": lambda: reasons.get("redis")}) as running:
        yield running


def _request(server: HealthServer, method: str, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def _json(server: HealthServer, path: str) -> tuple[int, Any]:
    status, _, body = _request(server, "GET", path)
    return status, json.loads(body)


def test_alive_and_ready(server: HealthServer) -> None:
    assert _json(server, "/healthz") == (200, {"status": "alive"})
    assert _json(server, "/readyz") == (200, {"status": "ready", "checks": {"redis": "ok"}})


def test_not_ready_is_a_problem_that_names_the_check(server: HealthServer) -> None:
    reasons["redis"] = "no answer"
    status, headers, body = _request(server, "GET", "/readyz")
    assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/problem+json", "1")
    assert json.loads(body)["checks"] == {"redis": "no answer"}
    assert _json(server, "/healthz")[0] == 200


def test_a_check_that_raises_is_a_reason() -> None:
    with serve_health("127.0.0.1", 0, {"redis": _broken}) as server:
        assert _json(server, "/readyz")[1]["checks"] == {"redis": "ConnectionError"}


def test_a_process_that_has_to_be_restarted_is_not_alive_and_says_why() -> None:
    with serve_health("127.0.0.1", 0, {}, lambda: reasons.get("loop")) as server:
        assert _json(server, "/healthz") == (200, {"status": "alive"})
        reasons["loop"] = "the loop has not moved for 61 s"
        status, problem = _json(server, "/healthz")
        assert (status, problem["detail"]) == (503, "To be restarted: the loop has not moved for 61 s.")
        assert _json(server, "/readyz")[0] == 200


def test_metrics_are_served(server: HealthServer) -> None:
    status, headers, body = _request(server, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert b"user_directory_projector_lag_records" in body


def test_head_has_no_body(server: HealthServer) -> None:
    status, headers, body = _request(server, "HEAD", "/healthz")
    assert (status, headers["content-length"], body) == (200, "18", b"")


@pytest.mark.parametrize(("method", "path", "expected"), [("GET", "/users", 404), ("POST", "/healthz", 405)])
def test_there_is_nothing_else(server: HealthServer, method: str, path: str, expected: int) -> None:
    assert _request(server, method, path)[0] == expected


def test_a_silent_client_does_not_keep_others_waiting(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert _json(server, "/healthz")[0] == 200


def test_a_taken_port_is_a_startup_error(server: HealthServer) -> None:
    with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{server.port}: Address already in use; "):
        serve_health("127.0.0.1", server.port, {})


def test_closing_frees_the_port() -> None:
    server = serve_health("127.0.0.1", 0, {})
    server.close()
    serve_health("127.0.0.1", server.port, {}).close()
