"""The page docs/events.md: the topics, and each event with its fields and an example."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from contract import examples
from contract.schemas import CHANGES, CONTROL, EVENTS, LOG, STATES, Schema
from contract.topics import TOPICS

_HEAD: Final = """\
# Events

What is in the topics that other teams read. How to read them is told in [consuming.md](consuming.md); the same, for
machines, is in [events/asyncapi.json](../events/asyncapi.json), and as JSON Schema in
[events/schemas](../events/schemas).

This page is generated from the models of `user_directory_events` (`make contract`).

## Topics

"""
_VERSIONS: Final = """\
## Versions

`dataschema` names what `data` looks like, with a version. Within a version nothing changes but its descriptions.
Another field is another version, `user.registered/2`, and the SDK lifts old events to the newest version when it reads
them. An event of a version or a type that a reader does not know must stop the reader: to skip it would be to lose it.
Documents in `users` may get further optional fields, which a reader ignores. `make check` refuses any other change.

"""


def page(published: Mapping[str, Schema]) -> str:
    """Return the page, given every schema by name."""
    return "".join(_parts(published)).rstrip("\n") + "\n"


def _parts(published: Mapping[str, Schema]) -> Iterator[str]:
    yield _HEAD
    yield "| topic | key | what is there |\n| --- | --- | --- |\n"
    yield from (f"| `{topic.name}` | {_lower(topic.key)} | {topic.description} |\n" for topic in TOPICS)
    yield "\n" + _VERSIONS
    yield f"## Attributes of each event\n\n{published[CHANGES]['description']}\n\n"
    yield _table(published[CHANGES])
    yield "\nIn `user-events` there are also:\n\n"
    yield _table(published[LOG], left_out=published[CHANGES]["properties"])
    users = [name for name in published if name.startswith("user.")]
    yield from (_event(name, published, CHANGES) for name in sorted(users, key=_place))
    yield f"\n## A user in `users`\n\n{published[STATES]['description']}\n\n{_table(published[STATES])}\n"
    yield _json(examples.state())
    yield "\n## Control records of `user-events`\n\nThey have no `subject`, and nothing that follows from it.\n"
    yield from (_event(name, published, CONTROL) for name in published if name.startswith("log."))


def _event(name: str, published: Mapping[str, Schema], envelope: str) -> str:
    old = "" if name in EVENTS else " (old)"
    table = _table(published[name]) if published[name]["properties"] else "`data` is `{}`.\n"
    example = _json(examples.event(name, published[envelope]))
    level = "##" if envelope == CHANGES else "###"
    return f"\n{level} `{name}`{old}\n\n{published[name]['description']}\n\n{table}\n{example}"


def _place(name: str) -> tuple[int, str]:
    event_type, _, version = name.partition("/")
    order = [current.partition("/")[0] for current in EVENTS]
    return order.index(event_type), version.zfill(9)


def _table(schema: Schema, left_out: Mapping[str, Any] | None = None) -> str:
    rows = [
        f"| `{name}` | {_type(field)} | {'always' if name in schema.get('required', ()) else 'optional'} "
        f"| {field.get('description', '')} |\n"
        for name, field in schema["properties"].items()
        if name not in (left_out or ())
    ]
    return "| field | type | there | meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)


def _type(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "properties" in field:
        return "object of " + ", ".join(f"`{name}`" for name in field["properties"])
    return "time" if field.get("format") == "date-time" else str(field["type"])


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
