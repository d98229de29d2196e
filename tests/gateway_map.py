"""How docker/gateway.conf routes: by path, then by method.

A map of nginx compares whole strings, then tries regular expressions in their order; what it does not understand it
takes for a string that no path is.
"""

import re
from pathlib import Path

CONF = (Path(__file__).parents[1] / "docker" / "gateway.conf").read_text(encoding="utf-8")


def mapping(source: str) -> list[tuple[str, str]]:
    """Return the entries of the map of a variable, in their order."""
    block = re.search(rf"map \{source} \$\w+ {{(.*?)}}", CONF, re.DOTALL)
    assert block is not None
    entries = [entry.split() for entry in block[1].split(";") if entry.strip()]
    return [(key, value) for key, value in entries]


def side(method: str, path: str) -> str:
    """Return which side a request goes to: `command` or `query`."""
    found = _look_up("$uri", path)
    return _look_up("$request_method", method) if found == "$side_by_method" else found


def _look_up(source: str, text: str) -> str:
    entries = mapping(source)
    for key, value in entries:
        if key == text:
            return value
    for key, value in entries:
        if key.startswith("~") and re.search(key[1:], text):
            return value
    return dict(entries)["default"]
