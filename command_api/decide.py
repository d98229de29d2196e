"""The domain's rules: what a command does to a user. Pure: no clock, no socket, no environment."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from command_api.commands import (
    Command,
    DeleteUser,
    EraseUser,
    IfMatch,
    RegisterUser,
    ReinstateUser,
    ReplaceUser,
    SuspendUser,
    UpdateUser,
)
from user_directory_events import (
    Gone,
    Name,
    User,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserReinstated,
    UserState,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
)
from user_directory_events.user_events import NoData

MOST_ATTRIBUTE_BYTES = 16 * 1024
SETTABLE = ("email", "name", "display_name", "external_id", "attributes")


class Refused(Exception):
    """The command breaks a rule; nothing happens."""


class UserNotFound(Refused):
    """No user was ever registered under this id."""


class UserGone(Refused):
    """The user was deleted or erased."""


class IdTaken(Refused):
    """The id was registered before; it stays taken for ever."""


class VersionMismatch(Refused):
    """The user is not at a version that the client accepts."""

    def __init__(self, version: int | None) -> None:
        super().__init__(version)
        self.version = version


class FieldRefused(Refused):
    """The user's fields would break a rule; `pointer` is the JSON pointer of the field."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer} {detail}")
        self.pointer, self.detail = pointer, detail


@dataclass(frozen=True, slots=True)
class Decision:
    """The event to be, without what only the moment of its append can tell."""

    event: Callable[..., UserEvent]
    data: BaseModel


def decide(state: UserState, command: Command) -> Decision | None:
    """Return what the command makes happen; None: nothing, the user is so already.

    Raises:
        Refused: the command breaks a rule; the subclasses tell which.
    """
    if isinstance(command, RegisterUser):
        if isinstance(state, User):
            raise VersionMismatch(state.version)
        if state is not None:
            raise IdTaken
        check_fields({name: getattr(command.fields, name) for name in SETTABLE})
        return Decision(UserRegistered, command.fields)
    if isinstance(command, EraseUser):
        return _erase(state, command.if_match)
    user = _existing(state, command.if_match)
    match command:
        case ReplaceUser(fields=fields):
            wanted = {name: getattr(fields, name) for name in SETTABLE}
            return _update(user, {**wanted, "attributes": wanted["attributes"] or {}})
        case UpdateUser(patch=patch):
            return _update(user, _merged(user, patch))
        case SuspendUser():
            return Decision(UserSuspended, NoData()) if user.status == "active" else None
        case ReinstateUser():
            return Decision(UserReinstated, NoData()) if user.status == "suspended" else None
        case DeleteUser():
            return Decision(UserDeleted, NoData())


def _erase(state: UserState, if_match: IfMatch) -> Decision | None:
    if state is None:
        raise UserNotFound
    if isinstance(state, Gone) and state.erased:
        # The event that asked for it is there, and whatever is left to be done follows from it.
        return None
    if if_match not in (None, "*") and state.version not in if_match:
        raise VersionMismatch(state.version)
    return Decision(UserErased, NoData())


def _existing(state: UserState, if_match: IfMatch) -> User:
    match state:
        case None:
            raise UserNotFound
        case Gone():
            raise UserGone
        case User() if if_match not in (None, "*") and state.version not in if_match:
            raise VersionMismatch(state.version)
        case User():
            return state


def _merged(user: User, patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(patch)
    if isinstance(merged.get("name"), dict):
        parts = merge_patch(user.name.to_dict() if user.name else {}, merged["name"])
        merged["name"] = Name(**parts) if parts else None
    if "attributes" in merged:
        merged["attributes"] = merge_patch(user.attributes, merged["attributes"]) or {}
    return merged


def _update(user: User, wanted: dict[str, Any]) -> Decision | None:
    changes = {name: value for name, value in wanted.items() if not _same(value, getattr(user, name))}
    if not changes:
        return None
    check_fields({name: getattr(user, name) for name in SETTABLE} | changes)
    return Decision(UserUpdated, UserUpdatedData(**changes))


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same JSON, in which 1 and true are not; the order of members does not count."""
    if one != other:
        return False
    return not isinstance(one, dict) or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def merge_patch(target: Any, patch: Any) -> Any:
    """Return a document after a JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def check_fields(fields: dict[str, Any]) -> None:
    """Check the rules that concern a user as a whole.

    Raises:
        FieldRefused: there is no name at all, or the attributes are too large.
    """
    if not fields.get("name") and not fields.get("display_name"):
        raise FieldRefused("/name", "is required, with one of its parts, unless display_name is given")
    if len(to_json(fields.get("attributes"))) > MOST_ATTRIBUTE_BYTES:
        raise FieldRefused("/attributes", f"must have at most {MOST_ATTRIBUTE_BYTES} bytes as JSON")
