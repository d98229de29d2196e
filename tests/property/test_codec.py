import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import json_values, log_records, user_events
from user_directory_events import LogRecord, Undecodable, UnknownSchema, UserEvent, UserUpdated, decode, encode


@given(log_records)
def test_what_is_written_is_read_back(record: LogRecord) -> None:
    _, value = encode(record)

    read = decode(value)

    assert read == record
    assert type(read) is type(record)
    assert encode(read) == encode(record)
    if isinstance(record, UserUpdated) and isinstance(read, UserUpdated):
        # Equality does not tell a field that was removed from one that did not change.
        assert read.data.changes() == record.data.changes()


@given(log_records)
def test_what_is_written_is_json_that_every_language_reads(record: LogRecord) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    event = json.loads(encode(record)[1].decode("utf-8"), parse_constant=refuse)

    assert event["data"] == record.data.model_dump(exclude_unset=True)
    assert all(value is not None for name, value in event.items() if name != "data")


@given(user_events, st.data())
def test_a_damaged_record_is_read_or_refused_and_nothing_else(event: UserEvent, data: st.DataObject) -> None:
    """A poison record must not stop the projector, so no third kind of error may come out."""
    value = bytearray(encode(event)[1])
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(Undecodable, UnknownSchema):
        decode(bytes(value))


@given(user_events, st.data())
def test_an_attribute_of_another_shape_is_refused_and_nothing_else(event: UserEvent, data: st.DataObject) -> None:
    attributes = json.loads(encode(event)[1])
    attributes[data.draw(st.sampled_from(sorted(attributes)))] = data.draw(json_values)

    with contextlib.suppress(Undecodable, UnknownSchema):
        decode(json.dumps(attributes).encode())


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_undecodable(value: bytes) -> None:
    try:
        decode(value)
    except Undecodable:
        return
    raise AssertionError("read")
