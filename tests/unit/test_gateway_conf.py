"""docker/gateway.conf routes as the chart does: by path, then by method.

A map of nginx compares whole strings, then tries regular expressions in their order; what it does not understand it
takes for a string that no path is.
"""

import re
from pathlib import Path

import pytest

CONF = (Path(__file__).parents[2] / "docker" / "gateway.conf").read_text(encoding="utf-8")


def mapping(source: str) -> list[tuple[str, str]]:
    block = re.search(rf"map \{source} \$\w+ {{(.*?)}}", CONF, re.DOTALL)
    assert block is not None
    entries = [entry.split() for entry in block[1].split(";") if entry.strip()]
    return [(key, value) for key, value in entries]


def look_up(source: str, text: str) -> str:
    entries = mapping(source)
    for key, value in entries:
        if key == text:
            return value
    for key, value in entries:
        if key.startswith("~") and re.search(key[1:], text):
            return value
    return dict(entries)["default"]


def side(method: str, path: str) -> str:
    found = look_up("$uri", path)
    return look_up("$request_method", method) if found == "$side_by_method" else found


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
