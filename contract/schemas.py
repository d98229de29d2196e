"""The JSON Schemas (draft 2020-12) of everything in the topics, by the name of their file in `events/schemas`.

An event is described by two of them: its attributes by that of the topic, and what is in `data` by that of its schema
version, which its `dataschema` names. They have no references, so that each can be used by itself.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from user_directory_events import ControlRecord, User, UserEvent

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CHANGES: Final = "user-changes"
LOG: Final = "user-events"
CONTROL: Final = "control-records"
STATES: Final = "users"

EVENTS: Final[Mapping[str, type[BaseModel]]] = {
    model.model_fields["dataschema"].default: model for model in (*UserEvent.__args__, *ControlRecord.__args__)
}
"""The current version of each event: its `dataschema`, and its model."""

_WRITTEN_ALWAYS: Final = ("specversion", "id", "source", "type", "dataschema", "time", "data")
# What only the write protocol needs stays in the log.
_OF_THE_PROTOCOL: Final = ("deadline", "epoch", "idempotencykey", "idempotencyhash")


def current() -> dict[str, Schema]:
    """Return the schemas that the models describe now, by name: `user-changes`, `user.registered/1`, ..."""
    user_event = _inlined(UserEvent.__args__[0].model_json_schema())
    control_record = _inlined(ControlRecord.__args__[0].model_json_schema())
    found = {
        CHANGES: _envelope(CHANGES, user_event, "The attributes of an event in `user-changes`.", _OF_THE_PROTOCOL),
        LOG: _envelope(LOG, user_event, "The attributes of a user's event in `user-events`.", ()),
        CONTROL: _envelope(CONTROL, control_record, "The attributes of a control record in `user-events`.", ()),
        STATES: _headed(STATES, _inlined(User.model_json_schema())),
    }
    for name, model in EVENTS.items():
        found[name] = _headed(name, _data(model))
    return found


def event_type(name: str) -> str:
    """Return the `type` of events whose `dataschema` is the name."""
    return name.partition("/")[0]


def _data(model: type[BaseModel]) -> Schema:
    whole = _inlined(model.model_json_schema())
    return {**whole["properties"]["data"], "description": whole["description"]}


def _envelope(name: str, event: Schema, description: str, left_out: tuple[str, ...]) -> Schema:
    """Return the schema of an event's attributes, which leaves its type and its data to others."""
    properties = {key: value for key, value in event["properties"].items() if key not in left_out}
    for key, meaning in (("type", "What happened"), ("dataschema", "The schema of `data` with its version")):
        properties[key] = {"type": "string", "description": meaning}
    properties["data"] = {"type": "object", "description": "What `dataschema` describes"}
    required = [key for key in properties if key in _WRITTEN_ALWAYS or key in event["required"]]
    return _headed(name, {**event, "properties": properties, "required": required, "description": description})


def _headed(name: str, schema: Schema) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:user-directory:schema:{name}", **schema, "title": name}


def _inlined(schema: Schema) -> Schema:
    """Put definitions where they are referred to, and leave out what pydantic adds of itself: titles, defaults."""
    definitions = schema.get("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            beside = {key: value for key, value in node.items() if key != "$ref"}
            return walk({**definitions[node["$ref"].rpartition("/")[2]], **beside})
        kept = {key: value for key, value in node.items() if key not in ("$defs", "default", "title")}
        named = kept.pop("properties", None)
        walked = {key: walk(value) for key, value in kept.items()}
        # A property may be called `title`.
        return walked if named is None else {**walked, "properties": {key: walk(value) for key, value in named.items()}}

    inlined: Schema = walk(schema)
    return inlined
