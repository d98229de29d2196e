"""The records of the two public topics, to bytes and back: `user-changes` and `users`.

`user-changes` holds accepted events only, so its events lack what only the write protocol needs. `users` holds the
newest state of each user, as both APIs show it.
"""

from pydantic import ValidationError
from pydantic_core import to_json

from user_directory_events.codec import HEADERS, Undecodable, decode, encode_data
from user_directory_events.timestamps import ENDLESS
from user_directory_events.user import User
from user_directory_events.user_events import UserEvent

CHANGE_HEADERS = HEADERS
STATE_HEADERS: list[tuple[str, bytes]] = [("content-type", b"application/json")]

_SHOWN = ("specversion", "id", "source", "type", "dataschema", "subject", "time", "sequence")
_TRACING = ("correlationid", "causationid", "traceparent")
# In the log they are required; what is in `user-changes` was accepted whatever they said.
_SETTLED = f',"deadline":"{ENDLESS}","epoch":""}}'.encode()


def public_event(event: UserEvent, *, tracing: bool = False, data: bytes | None = None) -> bytes:
    """Return an event as readers see it: a CloudEvent without what only the write protocol needs.

    Args:
        event: an accepted event.
        tracing: whether it says which request made it, where that is known.
        data: the event's data, by `encode_data`, where it is there already.
    """
    attributes = {name: getattr(event, name) for name in _SHOWN}
    optional = ("actor", *_TRACING) if tracing else ("actor",)
    attributes |= {name: value for name in optional if (value := getattr(event, name)) is not None}
    return to_json(attributes)[:-1] + b',"data":' + (data or encode_data(event)) + b"}"


def encode_change(event: UserEvent) -> tuple[bytes, bytes]:
    """Return key and value of an accepted event in `user-changes`; its headers are `CHANGE_HEADERS`."""
    return event.subject.encode(), public_event(event, tracing=True)


def decode_change(value: bytes) -> UserEvent:
    """Return the event of a record of `user-changes`, lifted to the current version of its schema.

    Its `deadline` and `epoch` say nothing: they were left behind in the log.

    Raises:
        Undecodable: no event of a user, or one whose known schema it does not meet.
        UnknownSchema: the type or the schema's version is newer than this release.
    """
    event = decode(value.rstrip().removesuffix(b"}") + _SETTLED)
    assert isinstance(event, UserEvent)  # noqa: S101 - no control record may have these attributes
    return event


def encode_state(user_id: str, document: bytes | None) -> tuple[bytes, bytes | None]:
    """Return key and value of a user's state in `users`; its headers are `STATE_HEADERS`.

    Args:
        user_id: the user.
        document: the user document as both APIs show it; None: the user was deleted or erased.
    """
    return user_id.encode(), document


def decode_state(value: bytes | None) -> User | None:
    """Return the state in a record of `users`; None: the user was deleted or erased.

    Raises:
        Undecodable: no user document.
    """
    if value is None:
        return None
    try:
        return User.model_validate_json(value, strict=True)
    except ValidationError as error:
        # Locations and kinds only: the values may be personal data.
        faults = error.errors(include_input=False, include_url=False)[:5]
        raise Undecodable("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in faults)) from None
