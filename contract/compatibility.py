"""The gate: what was published stays readable, and who reads today can read what is published next.

A change is compatible if a reader of today understands all that was ever written under the published schemas
(backward), and a reader of the published schemas all that is written from now on (forward). A writer writes only what
its schema names, so a new optional field passes where readers ignore what they do not know (`users`), and needs a new
version where they refuse it (events, docs/adr/0011).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsoncompat

from contract.schemas import Schema, event_type

_ANNOTATIONS: Final = ("$id", "$schema", "title", "description", "examples", "format", "default", "deprecated")


class IncompatibleChange(Exception):
    """The contract would be broken; the text names each schema and what is wrong, a line each."""


def check(published: Mapping[str, Schema], now: Mapping[str, Schema]) -> None:
    """Compare what is published with what the models describe now.

    Args:
        published: the schemas of all versions that were ever published, by name.
        now: the schemas of today's models; of an event the newest version only.

    Raises:
        IncompatibleChange: a change that some reader, old or new, would not understand.
    """
    faults = list(_faults(published, now))
    if faults:
        raise IncompatibleChange("\n".join(faults))


def merged(published: Mapping[str, Schema], now: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return what is published from now on: every version that ever was, and those of today.

    Raises:
        IncompatibleChange: see `check`.
    """
    check(published, now)
    return {**published, **now}


def _faults(published: Mapping[str, Schema], now: Mapping[str, Schema]) -> Iterator[str]:
    versions = _versions(now)
    for name, before in published.items():
        after = now.get(name)
        if after is not None:
            yield from (f"{name}: {fault}" for fault in _changes(before, after))
        elif versions.get(event_type(name), 0) < _version(name):
            yield f"{name}: was published and is gone; readers meet it for ever"
    for name in now.keys() - published.keys():
        yield from _skipped(name, published)


def _skipped(name: str, published: Mapping[str, Schema]) -> Iterator[str]:
    newest = _versions(published).get(event_type(name), 0)
    if (version := _version(name)) and version != newest + 1:
        yield f"{name}: the next version is {event_type(name)}/{newest + 1}"


def _changes(before: Schema, after: Schema) -> Iterator[str]:
    before, after = _bare(before), _bare(after)
    named = _named(before)
    for path in sorted(named - _named(after)):
        yield f"{path} is gone"
    # What jsoncompat does not compare, and what is refused has to be the same for every reader for ever.
    limits = _limits(before)
    yield from (
        f"{path or '/'} has other limits"
        for path in sorted(limits.keys() | _limits(after).keys())
        if path in named | {""} and limits.get(path) != _limits(after).get(path)
    )
    try:
        if not jsoncompat.check_compat(_text(_closed(before)), _text(after), "deserializer"):
            yield "backward: a reader of today would refuse what was written under the published schema"
        if not jsoncompat.check_compat(_text(before), _text(_closed(after)), "serializer"):
            yield "forward: a reader of the published schema would refuse what is written from now on"
    except ValueError as error:
        yield f"cannot be compared: {error}"


def _bare(node: Any) -> Any:
    """Leave out what says nothing about validity; a property may bear the name of an annotation."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    bare = {key: _bare(value) for key, value in node.items() if key not in (*_ANNOTATIONS, "properties")}
    if "properties" in node:
        bare["properties"] = {key: _bare(value) for key, value in node["properties"].items()}
    return bare


def _closed(node: Any) -> Any:
    """Forbid what the schema does not name, as its writer writes nothing else."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items() if key != "properties"}
    if "properties" in node:
        closed["properties"] = {key: _closed(value) for key, value in node["properties"].items()}
        closed["additionalProperties"] = False
    return closed


def _named(node: Any, path: str = "") -> set[str]:
    """Return the paths of all fields."""
    if isinstance(node, list):
        return {name for item in node for name in _named(item, path)}
    if not isinstance(node, dict):
        return set()
    found = {name for key, value in node.items() if key != "properties" for name in _named(value, path)}
    for key, value in node.get("properties", {}).items():
        found |= {f"{path}/{key}"} | _named(value, f"{path}/{key}")
    return found


def _limits(node: Any, path: str = "") -> dict[str, set[str]]:
    """Return by the paths of fields their patterns, and whether they refuse what they do not name."""
    if isinstance(node, list):
        parts = [_limits(item, path) for item in node]
    elif isinstance(node, dict):
        parts = [_limits(value, path) for key, value in node.items() if key != "properties"]
        parts += [_limits(value, f"{path}/{key}") for key, value in node.get("properties", {}).items()]
        own = {f"{key} {_text(node[key])}" for key in ("pattern", "additionalProperties") if key in node}
        parts.append({path: own} if own else {})
    else:
        parts = []
    found: dict[str, set[str]] = {}
    for part in parts:
        for where, limits in part.items():
            found[where] = found.get(where, set()) | limits
    return found


def _versions(schemas: Mapping[str, Schema]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for name in schemas:
        newest[event_type(name)] = max(newest.get(event_type(name), 0), _version(name))
    return newest


def _version(name: str) -> int:
    """Return the version in a schema's name; 0: it has none and is always the one there is."""
    return int(name.partition("/")[2] or 0)


def _text(schema: Schema) -> str:
    return json.dumps(schema)
