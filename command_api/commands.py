"""What a client asks for, in the imperative."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from user_directory_events import UserRegisteredData

IfMatch = frozenset[int] | Literal["*"] | None
"""The versions that the client accepts; `*`: any existing one; None: it does not say."""


@dataclass(frozen=True, slots=True)
class RegisterUser:
    """Register a user under an id that was never used; None as id: the directory chooses one."""

    user_id: str | None
    fields: UserRegisteredData


@dataclass(frozen=True, slots=True)
class ReplaceUser:
    """Set all fields that a client may set; those not given are removed."""

    user_id: str
    fields: UserRegisteredData
    if_match: IfMatch = None


@dataclass(frozen=True, slots=True)
class UpdateUser:
    """Merge a patch (RFC 7396) into the fields that a client may set."""

    user_id: str
    patch: Mapping[str, Any]
    if_match: IfMatch = None


@dataclass(frozen=True, slots=True)
class SuspendUser:
    """Suspend a user."""

    user_id: str
    if_match: IfMatch = None


@dataclass(frozen=True, slots=True)
class ReinstateUser:
    """Reinstate a suspended user."""

    user_id: str
    if_match: IfMatch = None


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Delete a user for ever; the e-mail address and the external id become free."""

    user_id: str
    if_match: IfMatch = None


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Delete a user, or one who was deleted before, together with all that the log and the read models hold of them."""

    user_id: str
    if_match: IfMatch = None


Command = RegisterUser | ReplaceUser | UpdateUser | SuspendUser | ReinstateUser | DeleteUser | EraseUser
