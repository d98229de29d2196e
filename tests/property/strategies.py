"""What may come over the wire: awkward text, any JSON, events of every type."""

from typing import Any

from hypothesis import strategies as st

from tests.sample_events import user_id
from user_directory_events import (
    EpochOpened,
    EpochOpenedData,
    LogIdentity,
    LogIdentityData,
    LogRecord,
    Name,
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

LATEST_MS = 253_402_300_799_999

AWKWARD = [
    "",
    "\0",
    "\n",
    '"',
    "\\",
    "\x7f",
    "\u2028",
    "\ufeff",
    "\uffff",
    "e\u0301",
    "İ",
    "ß",
    "👩‍👩‍👧",
    "\u202e",
    "null",
]
text = st.text() | st.sampled_from(AWKWARD)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)
attributes = st.dictionaries(text, json_values, max_size=4)
uuids = st.uuids().map(str)
timestamps = st.integers(0, LATEST_MS).map(from_milliseconds)


def _made(cls: Any, required: Any, optional: Any = None) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional or {}).map(lambda fields: cls(**fields))


names = _made(Name, {}, dict.fromkeys(("given", "family", "formatted"), text))
_optional_fields = {
    "name": st.none() | names,
    "display_name": st.none() | text,
    "external_id": st.none() | text,
    "attributes": st.none() | attributes,
}
registered_data = _made(UserRegisteredData, {"email": text}, _optional_fields)
updated_data = _made(UserUpdatedData, {}, _optional_fields | {"email": text})

_envelope = {"id": uuids, "time": timestamps}
_of_user = _envelope | {
    "subject": st.integers(0, 9).map(user_id) | uuids,
    "sequence": st.integers(1, 2**53),
    "deadline": timestamps,
    "epoch": text,
}
_extensions = dict.fromkeys(
    ("actor", "correlationid", "causationid", "idempotencykey", "idempotencyhash", "traceparent"), text
)

user_events: st.SearchStrategy[UserEvent] = st.one_of(
    _made(UserRegistered, {**_of_user, "data": registered_data}, _extensions),
    _made(UserUpdated, {**_of_user, "data": updated_data}, _extensions),
    *(_made(cls, _of_user, _extensions) for cls in (UserSuspended, UserReinstated, UserDeleted, UserErased)),
)
_identities = _made(LogIdentityData, {"log_id": uuids, "partitions": st.integers(1, 1000)})
_epochs = _made(EpochOpenedData, {"epoch": text.filter(bool)})
control_records: st.SearchStrategy[LogRecord] = st.one_of(
    _made(LogIdentity, {**_envelope, "data": _identities}),
    _made(EpochOpened, {**_envelope, "data": _epochs}),
    _made(Tick, _envelope),
)
log_records = user_events | control_records
