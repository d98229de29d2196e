import pytest
from pydantic import TypeAdapter, ValidationError

from user_directory_events.timestamps import ENDLESS, Timestamp, from_milliseconds, to_milliseconds

ADAPTER: TypeAdapter[str] = TypeAdapter(Timestamp)


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2000-02-29T00:00:00.000Z", 951_782_400_000),
        ("2026-11-24T08:30:00.123Z", 1_795_509_000_123),
        ("2038-01-19T03:14:08.000Z", 2**31 * 1000),
        (ENDLESS, 253_402_300_799_999),
    ],
)
def test_timestamps_and_milliseconds_are_two_ways_to_say_one_thing(timestamp: str, milliseconds: int) -> None:
    assert to_milliseconds(timestamp) == milliseconds
    assert from_milliseconds(milliseconds) == timestamp
    assert ADAPTER.validate_python(timestamp) == timestamp


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24",
        "2026-11-24T08:30:00Z",
        "2026-11-24T08:30:00.1Z",
        "2026-11-24T08:30:00.123456Z",
        "2026-11-24T08:30:00.123+00:00",
        "2026-11-24T08:30:00.123",
        "2026-11-24 08:30:00.123Z",
        "2026-02-30T08:30:00.123Z",
        "2026-13-01T08:30:00.123Z",
        "2026-11-24T24:30:00.123Z",
        "2026-11-24T08:30:60.123Z",
        "0000-01-01T00:00:00.000Z",
        "2026-11-24T08:30:00.123Z\n",
        "２０２６-11-24T08:30:00.123Z",
    ],
)
def test_any_other_form_is_refused_because_text_order_has_to_be_time_order(text: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(text)
