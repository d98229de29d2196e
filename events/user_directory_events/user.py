"""The state of one user and the pure function that moves it from event to event."""

from typing import Annotated, Any, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from user_directory_events.timestamps import Timestamp
from user_directory_events.user_events import (
    Name,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserReinstated,
    UserSuspended,
    UserUpdated,
)

Status = Literal["active", "suspended"]


class User(BaseModel):
    """What the directory knows of a user who exists; the document of both APIs."""

    # A reader of an older release meets documents of a newer one while a deployment is under way.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: Annotated[str, Field(description="UUID; version 7 where the directory chose it")]
    email: Annotated[str, Field(description="As given, Unicode NFC; unique by its normalised, case-folded form")]
    name: Annotated[Name | None, Field(description="Absent where only `display_name` is known")] = None
    display_name: Annotated[str | None, Field(description="Absent where not given")] = None
    status: Status
    external_id: Annotated[str | None, Field(description="The user's id elsewhere; unique; absent where not given")] = (
        None
    )
    attributes: Annotated[dict[str, JsonValue], Field(description="Free JSON object")] = {}
    created_at: Timestamp
    updated_at: Timestamp
    version: Annotated[int, Field(ge=1, description="The user's own event count")]

    def to_json(self) -> bytes:
        """Return the document as readers get it: UTF-8 JSON without the optional fields that are absent."""
        # exclude_none would also drop the nulls inside `attributes`, which belong to the user.
        exclude: dict[str, Any] = {field: True for field in _OPTIONAL if getattr(self, field) is None}
        if self.name is not None and (absent := {part: True for part in _PARTS if getattr(self.name, part) is None}):
            exclude["name"] = absent
        return self.__pydantic_serializer__.to_json(self, exclude=exclude or None)


_OPTIONAL = ("name", "display_name", "external_id")
_PARTS = tuple(Name.model_fields)


class Gone(BaseModel):
    """What is left of a user who was deleted or erased: the id stays taken."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int
    erased: bool = False


UserState = User | Gone | None
"""None: no event of this user was accepted yet."""


class CannotEvolve(Exception):
    """An accepted event does not fit the state before it; only a broken writer makes one."""


def evolve(state: UserState, event: UserEvent) -> User | Gone:
    """Return the user's state after an accepted event.

    Raises:
        CannotEvolve: the event does not fit the state, e.g. an update of a user who is not registered.
    """
    if isinstance(event, UserErased):
        return Gone(id=event.subject, version=event.sequence, erased=True)
    if isinstance(event, UserRegistered):
        if state is not None:
            raise CannotEvolve(f"{event.type} of a user who is registered already")
        return _registered(event)
    if not isinstance(state, User):
        raise CannotEvolve(f"{event.type} of a user who is {'deleted' if state else 'not registered'}")
    changes: dict[str, Any]
    match event:
        case UserUpdated():
            changes = event.data.changes()
            if changes.get("attributes", ...) is None:
                changes["attributes"] = {}
        case UserSuspended():
            changes = {"status": "suspended"}
        case UserReinstated():
            changes = {"status": "active"}
        case UserDeleted():
            return Gone(id=state.id, version=event.sequence)
        case _:
            assert_never(event)
    return state.model_copy(update={**changes, "updated_at": event.time, "version": event.sequence})


def _registered(event: UserRegistered) -> User:
    data = event.data
    return User(
        id=event.subject,
        email=data.email,
        name=data.name,
        display_name=data.display_name,
        status="active",
        external_id=data.external_id,
        attributes=data.attributes or {},
        created_at=event.time,
        updated_at=event.time,
        version=event.sequence,
    )
