import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_api.write_tokens import InvalidWriteToken, decode, encode
from read_models.write_calls import EventRef
from tests.sample_events import EPOCH, NOW, event_id, user_id

EVENT = EventRef(event_id(), user_id(), 3, 11, NOW, EPOCH)


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        EventRef(event_id(), user_id(), 1, 0, 0, "e"),
        EventRef(event_id(), user_id(), 10**15 - 1, 9999, 10**15 - 1, event_id()),
    ],
)
def test_a_token_reads_back_and_goes_into_a_url_as_it_is(event: EventRef) -> None:
    text = encode(event)

    assert decode(text) == event
    assert all(character.isalnum() or character in "-_" for character in text)


def written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "%00",
        "ü",
        "=" * 8,
        written(""),
        written("hello"),
        written(f"{event_id()} {user_id()} 3 11 {NOW}"),
        written(f"{event_id()} {user_id()} 3 11 {NOW} {EPOCH} more"),
        written(f"{event_id()} {user_id()} -3 11 {NOW} {EPOCH}"),
        written(f"{event_id()} {user_id()} x 11 {NOW} {EPOCH}"),
        written(f"{event_id()} {user_id()} 3 11 {NOW} "),
        written(f"{event_id()} jo 3 11 {NOW} {EPOCH}"),
        written(f"{event_id().upper()} {user_id()} 3 11 {NOW} {EPOCH}"),
        written(f"{event_id()} {user_id()} {10**15} 11 {NOW} {EPOCH}"),
        written(f"{event_id()} {user_id()} 3 11 {NOW} {'e' * 65}"),
        written(f"{event_id()} {user_id()} ٣ 11 {NOW} {EPOCH}"),
        encode(EVENT)[:-30],
        encode(EVENT) + "AAAA",
    ],
)
def test_what_this_service_did_not_make_is_refused(token: str) -> None:
    with pytest.raises(InvalidWriteToken):
        decode(token)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_garbage_is_refused_and_nothing_else_happens(token: str) -> None:
    with pytest.raises(InvalidWriteToken):
        decode(token)
