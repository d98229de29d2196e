"""Random histories of one user, as the command API writes them, and what they mean when folded event by event."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from query_api.deciding_events import FIELDS
from tests.sample_events import (
    NOW,
    deleted,
    erased,
    registered,
    reinstated,
    suspended,
    updated,
    user_id,
)
from user_directory_events import Name, User, UserEvent, UserState, evolve
from user_directory_events.timestamps import from_milliseconds

USER_ID = user_id(1)

# Texts that look like what a reader of entries may search for; values that Python takes for equal.
_TEXTS = ["Jo", "status", '"email":', 'user.suspended/1","data":{', "user.updated/1"]
_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [1, 1.0, True, None, "name", {"email": 1}, {"dataschema": "user.suspended/1", "type": "user.deleted"}, [{"a": []}]]
)
_SETTABLE: dict[str, st.SearchStrategy[Any]] = {
    "email": st.sampled_from(["jo@example.org", "JO@example.org", "other@example.org"]),
    "name": st.none() | st.builds(Name, given=st.sampled_from(_TEXTS), family=st.none() | st.just("Doe")),
    "display_name": st.none() | st.sampled_from(_TEXTS),
    "external_id": st.none() | st.sampled_from(_TEXTS),
    "attributes": st.none() | st.dictionaries(st.sampled_from([*_TEXTS, "dataschema", "email"]), _VALUES, max_size=2),
}
_CHANGES = st.fixed_dictionaries({}, optional=_SETTABLE).filter(bool)
_STEPS = st.lists(st.tuples(_CHANGES | st.just("suspend or reinstate"), st.sampled_from([0, 0, 1, 1000])), max_size=12)


@dataclass(frozen=True)
class Recorded:
    """An accepted event, the broker's timestamp, and the user's state after it."""

    event: UserEvent
    timestamp: int
    state: UserState

    @property
    def document(self) -> dict[str, Any]:
        """Return the document as readers have it, empty where there is none."""
        return json.loads(self.state.to_json()) if isinstance(self.state, User) else {}


@st.composite
def histories(draw: st.DrawFn) -> list[Recorded]:
    """Draw the events of a life: registered, changed, and perhaps deleted and erased at the end."""
    first = {**draw(st.fixed_dictionaries({}, optional=_SETTABLE)), "email": draw(_SETTABLE["email"])}
    events = [registered(1, fields=first, **_when(1))]
    timestamps, active = [NOW], True
    for change, pause in draw(_STEPS):
        number = len(events) + 1
        when = _when(number)
        if isinstance(change, dict):
            events.append(updated(number, sequence=number, fields=change, **when))
        else:
            events.append((suspended if active else reinstated)(number, sequence=number, **when))
            active = not active
        timestamps.append(timestamps[-1] + pause)
    if draw(st.booleans()):
        events.append(deleted(len(events) + 1, sequence=len(events) + 1, **_when(len(events) + 1)))
        timestamps.append(timestamps[-1] + draw(st.sampled_from([0, 1])))
    return record(events, timestamps)


def record(events: Sequence[UserEvent], timestamps: Sequence[int]) -> list[Recorded]:
    """Fold events."""
    state: UserState = None
    recorded = []
    for event, timestamp in zip(events, timestamps, strict=True):
        state = evolve(state, event)
        recorded.append(Recorded(event, timestamp, state))
    return recorded


def long_history(count: int) -> list[Recorded]:
    """Return a history whose names are set at the beginning only."""
    events = [registered(1)]
    events += [updated(n, sequence=n, fields={"attributes": {"n": n}}) for n in range(2, count + 1)]
    return record(events, [NOW + n for n in range(count)])


def erasure(sequence: int, timestamp: int) -> Recorded:
    """Return the end of all."""
    return record([erased(sequence, sequence=sequence)], [timestamp])[0]


def naive_items(history: Sequence[Recorded]) -> list[dict[str, Any]]:
    """Tell a history by comparing each document with the one before."""
    items = []
    before: dict[str, Any] = {}
    for recorded in history:
        after, event = recorded.document, recorded.event
        items.append(
            {
                "version": event.sequence,
                "type": event.type,
                "time": event.time,
                "recorded_at": from_milliseconds(recorded.timestamp),
                "actor": event.actor,
                "event_id": event.id,
                "changes": [
                    {"field": field, "from": before.get(field), "to": after.get(field)}
                    for field in FIELDS
                    if json.dumps(before.get(field)) != json.dumps(after.get(field))
                ],
            }
        )
        before = after
    return items


def _when(number: int) -> dict[str, Any]:
    return {"time": from_milliseconds(NOW + 7 * number), "actor": None if number % 3 else f"actor-{number}"}
