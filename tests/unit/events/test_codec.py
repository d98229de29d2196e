import json
from typing import Any

import pytest

from tests.sample_events import epoch_opened, event_id, registered, suspended, tick, updated
from user_directory_events import HEADERS, Undecodable, UnknownSchema, UserUpdated, decode, encode, new_event_id

WIRE: dict[str, Any] = json.loads(encode(registered())[1])


def wire(**changes: Any) -> bytes:
    """Write an event with some of its attributes changed; `...` leaves one out."""
    return json.dumps({name: value for name, value in (WIRE | changes).items() if value is not ...}).encode()


def test_the_key_of_an_event_is_its_id() -> None:
    assert encode(registered(7))[0] == event_id(7).encode()


def test_all_ticks_share_one_key_so_that_compaction_keeps_one() -> None:
    assert encode(tick(1))[0] == encode(tick(2))[0] == b"tick"
    assert encode(epoch_opened(1))[0] != encode(epoch_opened(2))[0]


def test_one_header_says_that_the_whole_event_is_in_the_value() -> None:
    assert HEADERS == [("content-type", b"application/cloudevents+json")]


def test_attributes_that_are_not_known_stay_away() -> None:
    assert set(WIRE) == {
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "sequence",
        "deadline",
        "epoch",
        "data",
    }
    assert WIRE["data"] == {"email": "jo@example.org", "name": {"formatted": "Jo Doe"}}


def test_null_says_removed_and_what_is_not_there_did_not_change() -> None:
    event = updated(fields={"display_name": None, "attributes": {"kept": None}})

    assert json.loads(encode(event)[1])["data"] == {"display_name": None, "attributes": {"kept": None}}
    read = decode(encode(event)[1])
    assert isinstance(read, UserUpdated)
    assert read.data.changes() == {"display_name": None, "attributes": {"kept": None}}


def test_an_event_without_data_carries_an_empty_object() -> None:
    assert json.loads(encode(suspended())[1])["data"] == {}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"specversion":"1.0"}',
        b"[" * 100_000,
        wire(specversion=...),
        wire(specversion="0.3"),
        wire(specversion=1.0),
        wire(type=...),
        wire(type=7),
        wire(dataschema=...),
        wire(dataschema=None),
        wire(dataschema=["user.registered/1"]),
    ],
    ids=repr,
)
def test_what_is_no_event_is_undecodable(value: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ...},
        {"id": "7"},
        {"source": "/elsewhere"},
        {"subject": ...},
        {"subject": "jo"},
        {"sequence": 0},
        {"sequence": "one"},
        {"sequence": "1"},
        {"sequence": 1.0},
        {"sequence": True},
        {"sequence": ...},
        {"deadline": ...},
        {"deadline": "tomorrow"},
        {"deadline": "2026-02-30T00:00:00.000Z"},
        {"deadline": "2026-11-24T08:30:00Z"},
        {"time": "2026-11-24T08:30:00.123+01:00"},
        {"epoch": ...},
        {"colour": "blue"},
        {"data": ...},
        {"data": {}},
        {"data": {"email": 7}},
        {"data": {"email": "jo@example.org", "colour": "blue"}},
        {"data": {"email": "jo@example.org", "name": {"middle": "X"}}},
        {"data": {"email": "jo@example.org", "attributes": []}},
        {"dataschema": "user.registered/0"},
        {"dataschema": "user.updated/1"},
    ],
    ids=repr,
)
def test_an_event_that_does_not_meet_its_known_schema_is_undecodable(changes: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        decode(wire(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"dataschema": "user.registered/2"},
        {"dataschema": "user.registered/2", "data": {"something": "else"}},
        {"dataschema": f"user.registered/{'9' * 5000}"},
        {"type": "user.merged", "dataschema": "user.merged/1"},
        {"type": "user.merged", "dataschema": "user.merged/1", "subject": ...},
        {"dataschema": "user.registered"},
        {"dataschema": "user.registered/next"},
    ],
    ids=lambda changes: repr(changes)[:60],
)
def test_an_event_of_a_newer_release_is_told_apart(changes: dict[str, Any]) -> None:
    with pytest.raises(UnknownSchema):
        decode(wire(**changes))


def test_a_reason_names_places_and_no_personal_data() -> None:
    value = wire(data={"email": ["Rosa.Luxemburg@example.org"], "name": {"given": 7}, "born": "1871-03-05"})

    with pytest.raises(Undecodable) as caught:
        decode(value)

    assert "data.email" in str(caught.value)
    assert "born" in str(caught.value)
    assert "Luxemburg" not in str(caught.value)
    assert "1871" not in str(caught.value)


def test_event_ids_are_uuids_of_version_7_in_the_order_of_their_making() -> None:
    made = [new_event_id() for _ in range(1000)]

    assert all(len(text) == 36 and text[14] == "7" for text in made)
    assert made == sorted(made)
    assert len(set(made)) == 1000
