import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.sample_events import envelope, registered
from user_directory_events import Undecodable, UnknownSchema, UserRegistered, decode, encode

Event = dict[str, Any]


def old(schema: str, data: Mapping[str, Any], **attributes: Any) -> bytes:
    """Write an event of a made-up earlier version."""
    event = {
        "specversion": "1.0",
        "source": "/user-directory",
        "datacontenttype": "application/json",
        "type": schema.partition("/")[0],
        "dataschema": schema,
        "data": data,
    }
    return json.dumps(event | envelope(**attributes)).encode()


def name_was_text(event: Event) -> Event:
    """Lift `user.registered/0`, in which the name was one text."""
    data = event["data"] | {"name": {"formatted": event["data"]["name"]}}
    return event | {"dataschema": "user.registered/1", "data": data}


def mail_was_its_name(event: Event) -> Event:
    """Lift `user.registered/00`, in which the address had another name."""
    data = {"email": event["data"]["mail"], "name": event["data"]["name"]}
    return event | {"dataschema": "user.registered/0", "data": data}


CHAIN = {"user.registered/0": name_was_text, "user.registered/00": mail_was_its_name}


def test_an_old_event_is_lifted_to_the_current_version() -> None:
    value = old("user.registered/0", {"email": "jo@example.org", "name": "Jo Doe"})

    assert decode(value, CHAIN) == registered()


def test_upcasters_follow_one_another() -> None:
    value = old("user.registered/00", {"mail": "jo@example.org", "name": "Jo Doe"})

    assert decode(value, CHAIN) == registered()


def test_a_lifted_event_is_written_in_the_current_version() -> None:
    event = decode(old("user.registered/00", {"mail": "jo@example.org", "name": "Jo Doe"}), CHAIN)

    assert decode(encode(event)[1], {}) == event


def test_the_envelope_survives_the_lift() -> None:
    value = old("user.registered/0", {"email": "jo@example.org", "name": "Jo"}, number=7, actor="clerk-7", sequence=1)

    event = decode(value, CHAIN)

    assert isinstance(event, UserRegistered)
    assert (event.id, event.actor) == (envelope(7)["id"], "clerk-7")


def test_an_event_of_the_current_version_is_left_alone() -> None:
    def never(event: Event) -> Event:
        raise AssertionError("called")

    assert decode(encode(registered())[1], {"user.registered/0": never, "user.registered/1": never}) == registered()


@pytest.mark.parametrize(
    "upcast",
    [
        lambda event: event["data"]["missing"],
        lambda event: event["data"]["name"] / 2,
        lambda event: int(event["data"]["name"]),
        lambda event: event | {"dataschema": "user.registered/1", "data": {"email": 7}},
        lambda event: event | {"dataschema": "user.registered/1", "data": {}},
    ],
)
def test_an_old_event_that_cannot_be_lifted_is_undecodable(upcast: Callable[[Event], Event]) -> None:
    value = old("user.registered/0", {"email": "jo@example.org", "name": "Jo Doe"})

    with pytest.raises(Undecodable):
        decode(value, {"user.registered/0": upcast})


def test_a_version_from_before_the_first_is_undecodable_without_an_upcaster() -> None:
    with pytest.raises(Undecodable):
        decode(old("user.registered/0", {"email": "jo@example.org", "name": "Jo Doe"}))


def test_a_newer_version_is_unknown_though_older_ones_can_be_lifted() -> None:
    with pytest.raises(UnknownSchema):
        decode(old("user.registered/2", {"email": "jo@example.org", "name": "Jo Doe"}), CHAIN)
