"""The gate refuses what some reader, old or new, would not understand, and nothing else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contract.compatibility import IncompatibleChange, check, merged
from contract.files import published
from contract.schemas import current

Change = Callable[[dict[str, Any]], object]
REGISTERED = "user.registered/1"


def in_schema(name: str, change: Change) -> Change:
    return lambda schemas: change(schemas[name])


def in_fields(name: str, change: Change) -> Change:
    return lambda schemas: change(schemas[name]["properties"])


def next_version(schemas: dict[str, Any]) -> None:
    """Publish `user.registered/2` with a new field: the models then describe no version 1 any more."""
    schemas["user.registered/2"] = copy.deepcopy(schemas.pop(REGISTERED))
    schemas["user.registered/2"]["properties"]["locale"] = {"type": "string"}


INCOMPATIBLE: dict[str, Change] = {
    "a field is removed": in_fields(REGISTERED, lambda fields: fields.pop("display_name")),
    "a field is renamed": in_fields(REGISTERED, lambda fields: fields.update(mail=fields.pop("email"))),
    "a field of a part is removed": in_fields(
        "users", lambda fields: fields["name"]["anyOf"][0]["properties"].popitem()
    ),
    "a field is added that readers refuse": in_fields(
        REGISTERED, lambda fields: fields.update(locale={"type": "string"})
    ),
    "an attribute is added that readers refuse": in_fields(
        "user-changes", lambda f: f.update(tenant={"type": "string"})
    ),
    "a field has another type": in_fields("users", lambda fields: fields.update(version={"type": "string"})),
    "a number may have a fraction": in_fields("users", lambda f: f.update(version={"type": "number", "minimum": 1})),
    "an optional field is required": in_schema(REGISTERED, lambda schema: schema["required"].append("name")),
    "a required field is optional": in_schema(REGISTERED, lambda schema: schema["required"].remove("email")),
    "a required field is added": in_schema(
        "users", lambda s: (s["properties"].update(locale={"type": "string"}), s["required"].append("locale"))
    ),
    "a value is added": in_fields("users", lambda fields: fields["status"]["enum"].append("locked")),
    "a value is removed": in_fields("users", lambda fields: fields["status"]["enum"].remove("suspended")),
    "null is refused": in_fields(REGISTERED, lambda fields: fields.update(display_name={"type": "string"})),
    "a text has a limit": in_fields(REGISTERED, lambda fields: fields["email"].update(maxLength=64)),
    "a limit is gone": in_fields("user-events", lambda fields: fields["id"].pop("maxLength")),
    "another pattern": in_fields("user-changes", lambda fields: fields["time"].update(pattern="^.*Z$")),
    "another constant": in_fields("user-changes", lambda fields: fields["source"].update(const="/users")),
    "readers take what they do not know": in_schema(REGISTERED, lambda schema: schema.pop("additionalProperties")),
    "a version is gone": lambda schemas: schemas.pop("user.suspended/1"),
    "a version is left out": lambda s: s.update({"user.registered/3": s.pop(REGISTERED)}),
}

COMPATIBLE: dict[str, Change] = {
    "nothing": lambda schemas: None,
    "another description": in_fields(
        REGISTERED, lambda fields: fields["email"].update(description="Where to write to")
    ),
    "another title and example": in_schema("users", lambda schema: schema.update(title="User", examples=[{}])),
    "an annotated default": in_fields("users", lambda fields: fields["attributes"].update(default={})),
    "fields in another order": in_schema("users", lambda s: s.update(properties=dict(sorted(s["properties"].items())))),
    "required fields in another order": in_schema("user-changes", lambda schema: schema["required"].reverse()),
    "values in another order": in_fields("users", lambda fields: fields["status"]["enum"].reverse()),
    "the same type in other words": in_fields(
        REGISTERED, lambda f: f.update(display_name={"type": ["null", "string"]})
    ),
    "the same values in other words": in_fields(
        "users", lambda f: f.update(status={"anyOf": [{"const": "active"}, {"const": "suspended"}]})
    ),
    "an optional field that readers ignore": in_fields(
        "users", lambda fields: fields.update(locale={"type": "string"})
    ),
    "a next version": next_version,
    "a new event": lambda s: s.update({"user.locked/1": copy.deepcopy(s["user.suspended/1"])}),
}


@pytest.mark.parametrize("change", INCOMPATIBLE.values(), ids=INCOMPATIBLE.keys())
def test_an_incompatible_change_is_refused(change: Change) -> None:
    schemas = current()
    change(schemas)

    with pytest.raises(IncompatibleChange):
        check(published(), schemas)


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE.keys())
def test_a_compatible_change_passes(change: Change) -> None:
    schemas = current()
    change(schemas)

    check(published(), schemas)


def test_the_former_version_stays_published_beside_the_next_one() -> None:
    schemas = current()
    next_version(schemas)

    both = merged(published(), schemas)

    assert both[REGISTERED] == published()[REGISTERED]
    assert "locale" in both["user.registered/2"]["properties"]


def test_a_version_that_is_not_the_newest_any_more_may_not_come_back_changed() -> None:
    schemas = current()
    next_version(schemas)
    both = merged(published(), schemas)

    with pytest.raises(IncompatibleChange, match=r"user\.registered/2: was published and is gone"):
        check(both, current())


def test_the_refusal_names_the_schema_the_field_and_the_reader() -> None:
    schemas = current()
    schemas["user.updated/1"]["properties"].pop("email")

    with pytest.raises(IncompatibleChange, match=r"user\.updated/1: /email is gone\nuser\.updated/1: backward: "):
        check(published(), schemas)
