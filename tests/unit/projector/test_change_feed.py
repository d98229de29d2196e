"""What a batch adds to the change feed."""

import json
from collections.abc import Sequence
from typing import Any

from projector.change_feed import feed_changes
from read_models.feed import FeedEntry
from read_models.keys import Keys
from tests.sample_events import deleted, erased, event_id, registered, suspended, updated, user_id
from user_directory_events import UserEvent
from user_directory_events.codec import encode_data

KEYS = Keys("p").generation(1)


def changes_of(*events: UserEvent, most: int = 7) -> list[tuple[str, Sequence[Any]]]:
    accepted = [(10 + number, event, encode_data(event)) for number, event in enumerate(events)]
    return list(feed_changes(accepted, KEYS, 3, most))


def entries_of(changes: Sequence[tuple[str, Sequence[Any]]]) -> dict[int, FeedEntry]:
    found = {}
    for name, arguments in changes:
        if name == "feed":
            pairs = arguments[3:]
            found.update({o: FeedEntry.decode(e) for o, e in zip(pairs[::2], pairs[1::2], strict=True)})
    return found


def test_each_accepted_event_is_an_entry_under_its_offset() -> None:
    changes = changes_of(registered(), updated(fields={"display_name": "Jo"}), deleted(3, sequence=3))

    ((name, arguments),) = changes
    assert (name, arguments[:3]) == ("feed", (KEYS.changes(3), KEYS.changes_from(3), 7))
    assert [(offset, entry.type, entry.user_id) for offset, entry in entries_of(changes).items()] == [
        (10, "user.registered", user_id()),
        (11, "user.updated", user_id()),
        (12, "user.deleted", user_id()),
    ]


def test_readers_see_what_changed_and_nothing_of_the_protocol() -> None:
    event = updated(
        fields={"display_name": None, "external_id": "hr-7"},
        actor="clerk",
        idempotencykey="key",
        idempotencyhash="hash",
        traceparent="00-1-2-00",
        correlationid="request",
    )

    assert json.loads(entries_of(changes_of(event))[10].event) == {
        "specversion": "1.0",
        "id": event_id(2),
        "source": "/user-directory",
        "type": "user.updated",
        "dataschema": "user.updated/1",
        "subject": user_id(),
        "time": event.time,
        "sequence": 2,
        "actor": "clerk",
        "data": {"display_name": None, "external_id": "hr-7"},
    }


def test_an_entry_is_one_line_whatever_a_name_holds() -> None:
    entry = entries_of(changes_of(registered(fields={"display_name": "a\nb\r\u2028c"})))[10]

    assert b"\n" not in entry.event
    assert b"\r" not in entry.event


def test_an_erasure_takes_the_users_entries_out_also_those_of_its_own_batch() -> None:
    changes = changes_of(suspended(2), registered(5, user=2), erased(3, sequence=3))

    assert changes[0] == ("forget_feed", (KEYS.changes(3), KEYS.sparse_changes(3), KEYS.history(user_id()), 12))
    assert [(offset, entry.user_id) for offset, entry in entries_of(changes).items()] == [
        (11, user_id(2)),
        (12, user_id(1)),
    ]


def test_a_batch_without_accepted_events_adds_nothing() -> None:
    assert changes_of() == []


def test_no_change_has_more_arguments_than_lua_can_unpack() -> None:
    changes = changes_of(*(registered(number, user=number) for number in range(1, 1201)))

    assert max(len(arguments) for _, arguments in changes) <= 1001
    assert len(entries_of(changes)) == 1200
