"""The envelope, as the CloudEvents project's own package reads it."""

from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.sample_events import deleted, epoch_opened, erased, registered, reinstated, suspended, tick, updated
from user_directory_events import HEADERS, LogRecord, UserRegistered, encode

RECORDS = [
    registered(
        actor="clerk-7",
        correlationid="request-1",
        causationid="request-0",
        idempotencykey="key-1",
        idempotencyhash="0123abcd",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        fields={"attributes": {"big": 12345678901234567890, "none": None}},
    ),
    updated(fields={"display_name": None}),
    suspended(),
    reinstated(),
    deleted(),
    erased(),
    epoch_opened(),
    tick(),
]


def read(record: LogRecord) -> CloudEvent:
    key, value = encode(record)
    # Without a factory the package finds out the version, as a consumer would let it.
    event = from_structured(KafkaMessage(dict(HEADERS), key, value), JSONFormat())
    assert isinstance(event, CloudEvent)
    return event


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.type)
def test_the_package_reads_every_record_and_finds_each_attribute(record: LogRecord) -> None:
    event = read(record)

    assert event.get_id() == record.id
    assert event.get_source() == "/user-directory"
    assert event.get_type() == record.type
    assert event.get_specversion() == "1.0"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == record.dataschema
    assert event.get_time() == datetime(2026, 11, 24, 8, 30, 0, 123000, tzinfo=UTC)
    assert event.get_data() == record.data.model_dump(exclude_unset=True)


def test_our_extensions_have_names_and_values_that_the_specification_allows() -> None:
    record = RECORDS[0]
    assert isinstance(record, UserRegistered)

    event = read(record)

    # The package refuses names of anything but lower-case letters and digits when it makes the event.
    for name in ("actor", "correlationid", "causationid", "idempotencykey", "idempotencyhash", "traceparent", "epoch"):
        assert event.get_extension(name) == getattr(record, name)
    assert event.get_extension("sequence") == 1
    assert event.get_subject() == record.subject
    assert event.get_extension("deadline") == record.deadline


def test_the_package_refuses_an_event_without_its_required_attributes() -> None:
    """Else the tests above would show nothing."""
    with pytest.raises(CloudEventValidationError):
        JSONFormat().read(CloudEvent, b'{"specversion":"1.0","type":"user.registered","data":{}}')
