"""Events of a log to test with: valid, and told in few words."""

from typing import Any

from user_directory_events import (
    EpochOpened,
    EpochOpenedData,
    EventsDiscarded,
    EventsDiscardedData,
    Name,
    ReplayRequested,
    ReplayRequestedData,
    Tick,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
)
from user_directory_events.timestamps import from_milliseconds

EPOCH = "epoch-1"
NOW = 1_795_509_000_123
"""Milliseconds since 1970 at which the sample events were decided; their deadline is ten seconds later."""
DEADLINE = NOW + 10_000


def user_id(number: int = 1) -> str:
    """Return the id of a user."""
    return f"0192d3a0-0000-7000-8000-{number:012x}"


def event_id(number: int = 1) -> str:
    """Return the id of an event."""
    return f"0192d3a0-1111-7000-8000-{number:012x}"


def envelope(number: int = 1, *, user: int = 1, sequence: int = 1, **attributes: Any) -> dict[str, Any]:
    """Return the attributes of event `number`, one of `user`."""
    return {
        "id": event_id(number),
        "time": from_milliseconds(NOW),
        "subject": user_id(user),
        "sequence": sequence,
        "deadline": from_milliseconds(DEADLINE),
        "epoch": EPOCH,
    } | attributes


def registered(number: int = 1, *, email: str = "jo@example.org", fields: Any = None, **attributes: Any) -> UserEvent:
    """Return the registration of a user, called Jo unless `fields` say otherwise."""
    data = UserRegisteredData(**{"email": email, "name": Name(formatted="Jo Doe"), **(fields or {})})
    return UserRegistered(**envelope(number, **attributes), data=data)


def updated(number: int = 2, *, sequence: int = 2, fields: Any, **attributes: Any) -> UserEvent:
    """Return a change of the fields given."""
    return UserUpdated(**envelope(number, sequence=sequence, **attributes), data=UserUpdatedData(**fields))


def suspended(number: int = 2, *, sequence: int = 2, **attributes: Any) -> UserEvent:
    """Return a suspension."""
    return UserSuspended(**envelope(number, sequence=sequence, **attributes))


def reinstated(number: int = 3, *, sequence: int = 3, **attributes: Any) -> UserEvent:
    """Return a reinstatement."""
    return UserReinstated(**envelope(number, sequence=sequence, **attributes))


def deleted(number: int = 2, *, sequence: int = 2, **attributes: Any) -> UserEvent:
    """Return a deletion."""
    return UserDeleted(**envelope(number, sequence=sequence, **attributes))


def erased(number: int = 2, *, sequence: int = 2, **attributes: Any) -> UserEvent:
    """Return an erasure."""
    return UserErased(**envelope(number, sequence=sequence, **attributes))


def epoch_opened(number: int = 900, *, epoch: str = EPOCH) -> EpochOpened:
    """Return the record that opens an epoch."""
    return EpochOpened(id=event_id(number), time=from_milliseconds(NOW), data=EpochOpenedData(epoch=epoch))


def tick(number: int = 901) -> Tick:
    """Return a tick."""
    return Tick(id=event_id(number), time=from_milliseconds(NOW))


def discard(*event_ids: str, number: int = 902, user: int = 1) -> EventsDiscarded:
    """Return the record that discards events of a user."""
    data = EventsDiscardedData(user_id=user_id(user), event_ids=list(event_ids))
    return EventsDiscarded(id=event_id(number), time=from_milliseconds(NOW), data=data)


def replay(number: int = 903, *, user: int = 1) -> ReplayRequested:
    """Return the record that asks for another try of a user's events."""
    data = ReplayRequestedData(user_id=user_id(user))
    return ReplayRequested(id=event_id(number), time=from_milliseconds(NOW), data=data)
