import json

import pytest

from tests.sample_events import (
    deleted,
    epoch_opened,
    erased,
    registered,
    reinstated,
    suspended,
    updated,
    user_id,
)
from user_directory_events import Undecodable, UnknownSchema, User, UserEvent, encode, evolve
from user_directory_events.public_topics import decode_change, decode_state, encode_change, encode_state
from user_directory_events.timestamps import ENDLESS

REQUEST = {
    "actor": "a1",
    "correlationid": "c1",
    "causationid": "e1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
PRIVATE = {"idempotencykey": "k1", "idempotencyhash": "h1"}
EVENTS = [
    registered(fields={"attributes": {"a": None}}),
    updated(fields={"display_name": None, "email": "new@example.org"}),
    suspended(),
    reinstated(),
    deleted(),
    erased(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_a_change_says_what_the_event_says(event: UserEvent) -> None:
    told = event.model_copy(update=REQUEST | PRIVATE)

    key, value = encode_change(told)

    assert key == event.subject.encode()
    assert decode_change(value) == event.model_copy(update=REQUEST | {"deadline": ENDLESS, "epoch": ""})
    assert decode_change(value).data.model_fields_set == event.data.model_fields_set


def test_a_change_lacks_what_only_the_write_protocol_needs() -> None:
    _, value = encode_change(registered().model_copy(update=PRIVATE))

    assert set(json.loads(value)) == {
        "specversion", "id", "source", "type", "dataschema", "subject", "time", "sequence", "data"
    }  # fmt: skip


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"no event", b'{"specversion":"1.0"}'])
def test_what_is_no_event_is_refused(value: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_change(value)


def test_a_control_record_is_no_change() -> None:
    with pytest.raises(Undecodable, match="deadline: extra_forbidden"):
        decode_change(encode(epoch_opened())[1])


def test_a_newer_schema_is_told_apart() -> None:
    _, value = encode_change(suspended())
    with pytest.raises(UnknownSchema):
        decode_change(value.replace(b"user.suspended/1", b"user.suspended/9"))


def test_a_state_is_the_document() -> None:
    user = evolve(None, registered())
    assert isinstance(user, User)

    key, value = encode_state(user.id, user.to_json())

    assert key == user_id().encode()
    assert decode_state(value) == user


def test_no_document_is_a_tombstone() -> None:
    assert encode_state(user_id(), None) == (user_id().encode(), None)
    assert decode_state(None) is None


def test_what_is_no_document_is_refused_without_telling_what_it_was() -> None:
    with pytest.raises(Undecodable) as caught:
        decode_state(b'{"id":"1","email":["jo@example.org"]}')
    assert "jo@example.org" not in str(caught.value)
