"""docker/gateway.conf routes as the chart does: by path, then by method."""

import re

import pytest

from tests.gateway_map import mapping, side


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/users", "query"),
        ("HEAD", "/users/1", "query"),
        ("GET", "/users/count", "query"),
        ("GET", "/users/export", "query"),
        ("GET", "/changes", "query"),
        ("POST", "/users/lookup", "query"),
        ("GET", "/docs", "query"),
        ("GET", "/docs/page.js", "query"),
        ("GET", "/openapi/query-api.json", "query"),
        ("HEAD", "/openapi/command-api.json", "command"),
        ("GET", "/writes/token", "command"),
        ("POST", "/users", "command"),
        ("PATCH", "/users/1", "command"),
        ("PUT", "/users/1", "command"),
        ("DELETE", "/users/1", "command"),
        ("POST", "/users/1/suspend", "command"),
        ("POST", "/users/import", "command"),
    ],
)
def test_each_request_goes_to_its_side(method: str, path: str, expected: str) -> None:
    assert side(method, path) == expected


def test_every_path_of_the_map_is_one() -> None:
    for key, _ in mapping("$uri"):
        assert re.match(r"/|~\^/|default$", key), key
