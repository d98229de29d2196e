"""The AsyncAPI 3.0 document, made from the schemas: what user-directory sends, and where."""

from collections.abc import Mapping
from typing import Any, Final

from contract import examples
from contract.schemas import CHANGES, CONTROL, EVENTS, STATES, Schema
from contract.topics import TOPICS, Topic, is_told

_BINDING: Final = "0.5.0"
_DESCRIPTION: Final = """\
The topics of user-directory. Most readers want `user-changes` and `users`: load `users`, then follow `user-changes`, \
and drop each change whose `sequence` is not above the `version` that you have. Events are CloudEvents 1.0 in the \
Kafka binding's structured mode."""


def document(published: Mapping[str, Schema], version: str) -> dict[str, Any]:
    """Return the document.

    Args:
        published: every schema, old versions too, by name.
        version: that of the distribution `user-directory-events`.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in TOPICS:
        of_topic = _messages(topic, published)
        messages |= of_topic
        channels[topic.name] = _channel(topic, of_topic)
        operations[f"send-{topic.name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "summary": topic.title,
            "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in of_topic],
        }
    return {
        "asyncapi": "3.0.0",
        "id": "urn:user-directory",
        "info": {
            "title": "user-directory",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "The local stack (`make run`)"}
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {_component(name): _embedded(schema) for name, schema in sorted(published.items())},
        },
    }


def _channel(topic: Topic, messages: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": topic.title,
        "description": topic.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": topic.configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _messages(topic: Topic, published: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the messages of a topic by their names in the document."""
    found: dict[str, Any] = {}
    if topic.name == STATES:
        found[STATES] = _message(topic, "A user", _reference(STATES), examples.state())
    for name in published:
        if name.partition("/")[1] and is_told(topic.name, name):
            found[f"{topic.name}.{_component(name)}"] = _event(topic, name, published)
    if topic.name != CHANGES:
        what = "The user was deleted or erased" if topic.name == STATES else "The event was erased"
        found[f"{topic.name}.tombstone"] = _message(topic, what, {"type": "null"}, None)
    return found


def _event(topic: Topic, name: str, published: Mapping[str, Schema]) -> dict[str, Any]:
    event_type = name.partition("/")[0]
    envelope = topic.name if event_type.startswith("user.") else CONTROL
    payload = {
        "allOf": [
            _reference(envelope),
            {
                "properties": {
                    "type": {"const": event_type},
                    "dataschema": {"const": name},
                    "data": _reference(name),
                }
            },
        ]
    }
    message = _message(topic, published[name]["description"], payload, examples.event(name, published[envelope]))
    if name not in EVENTS:
        message["deprecated"] = True
    return {"name": name, **message}


def _message(topic: Topic, summary: str, payload: Schema, example: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "summary": summary,
        "contentType": topic.content_type,
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": _BINDING}},
    }
    if example is None:
        return message
    headers = {"content-type": topic.content_type}
    message["headers"] = {
        "type": "object",
        "properties": {"content-type": {"const": topic.content_type}},
        "required": ["content-type"],
    }
    message["examples"] = [{"headers": headers, "payload": example}]
    return message


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_component(name)}"}


def _component(name: str) -> str:
    # Slashes cannot stand in the name of a component.
    return name.replace("/", ".")


def _embedded(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
