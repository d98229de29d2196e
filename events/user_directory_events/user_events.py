"""The events of a user: what happened, in the past tense.

Each is a CloudEvents 1.0 event (https://github.com/cloudevents/spec); the attributes beyond the specification's own are
extensions of this log. `data` carries only what its schema `dataschema` names; a change of it needs a new schema
version and an upcaster.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from user_directory_events.timestamps import Timestamp


class Frozen(BaseModel):
    """A value: unchangeable, and strict about fields it does not know."""

    # An error may be logged, and its input may be personal data.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Name(Frozen):
    """A person's name as given, in any script; at least one part is there."""

    given: Annotated[str | None, Field(description="Given name")] = None
    family: Annotated[str | None, Field(description="Family name")] = None
    formatted: Annotated[str | None, Field(description="The whole name as it is to be shown")] = None

    def to_dict(self) -> dict[str, str]:
        """Return the parts that are there."""
        return {part: value for part, value in self if value is not None}


class UserRegisteredData(Frozen):
    """A new user's fields."""

    email: Annotated[str, Field(description="As given, Unicode NFC")]
    name: Annotated[Name | None, Field(description="As given, in any script")] = None
    display_name: Annotated[str | None, Field(description="What to call the user")] = None
    external_id: Annotated[str | None, Field(description="The user's id in another system")] = None
    attributes: Annotated[dict[str, JsonValue] | None, Field(description="Free JSON object")] = None


class UserUpdatedData(Frozen):
    """Every changed field with its new value; null: removed; a field that is not there did not change."""

    email: Annotated[str | None, Field(description="As given, Unicode NFC; never null")] = None
    name: Annotated[Name | None, Field(description="The whole name anew")] = None
    display_name: Annotated[str | None, Field(description="What to call the user")] = None
    external_id: Annotated[str | None, Field(description="The user's id in another system")] = None
    attributes: Annotated[dict[str, JsonValue] | None, Field(description="The whole object anew; null: `{}`")] = None

    def changes(self) -> dict[str, Any]:
        """Return the changed fields by name; None: removed."""
        return {field: getattr(self, field) for field in self.model_fields_set}


class NoData(Frozen):
    """The event says all by its type."""


class Envelope(Frozen):
    """The CloudEvents attributes that every record of the log has."""

    specversion: Annotated[Literal["1.0"], Field(description="Of CloudEvents")] = "1.0"
    id: Annotated[str, Field(min_length=36, max_length=36, description="UUIDv7; the record's key in the log")]
    source: Annotated[Literal["/user-directory"], Field(description="Who tells it")] = "/user-directory"
    time: Annotated[Timestamp, Field(description="When it was decided")]
    datacontenttype: Annotated[Literal["application/json"], Field(description="Of `data`")] = "application/json"


class _UserEvent(Envelope):
    subject: Annotated[str, Field(min_length=36, max_length=36, description="The user's id")]
    sequence: Annotated[int, Field(ge=1, description="The user's version after this event, without gaps")]
    deadline: Annotated[Timestamp, Field(description="Appended later by the broker's clock: void")]
    epoch: Annotated[str, Field(description="Appended under another epoch of its partition: void")]
    actor: Annotated[str | None, Field(description="An opaque id of who asked")] = None
    correlationid: Annotated[str | None, Field(description="The `X-Request-ID` of the request")] = None
    causationid: Annotated[str | None, Field(description="The event or command that led to this one")] = None
    idempotencykey: Annotated[str | None, Field(description="The Idempotency-Key of the request")] = None
    idempotencyhash: Annotated[str | None, Field(description="Hash of the request's method, path and body")] = None
    traceparent: Annotated[str | None, Field(description="W3C Trace Context of the request")] = None


class UserRegistered(_UserEvent):
    """A user was registered."""

    type: Literal["user.registered"] = "user.registered"
    dataschema: Literal["user.registered/1"] = "user.registered/1"
    data: UserRegisteredData


class UserUpdated(_UserEvent):
    """Fields of a user changed."""

    type: Literal["user.updated"] = "user.updated"
    dataschema: Literal["user.updated/1"] = "user.updated/1"
    data: UserUpdatedData


class UserSuspended(_UserEvent):
    """A user was suspended."""

    type: Literal["user.suspended"] = "user.suspended"
    dataschema: Literal["user.suspended/1"] = "user.suspended/1"
    data: NoData = NoData()


class UserReinstated(_UserEvent):
    """A suspended user was reinstated."""

    type: Literal["user.reinstated"] = "user.reinstated"
    dataschema: Literal["user.reinstated/1"] = "user.reinstated/1"
    data: NoData = NoData()


class UserDeleted(_UserEvent):
    """A user was deleted; the id stays taken, the unique values become free."""

    type: Literal["user.deleted"] = "user.deleted"
    dataschema: Literal["user.deleted/1"] = "user.deleted/1"
    data: NoData = NoData()


class UserErased(_UserEvent):
    """A person's data were erased; earlier events of this user may be missing from the log."""

    type: Literal["user.erased"] = "user.erased"
    dataschema: Literal["user.erased/1"] = "user.erased/1"
    data: NoData = NoData()


UserEvent = UserRegistered | UserUpdated | UserSuspended | UserReinstated | UserDeleted | UserErased
