import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.cursors import Cursor, InvalidCursor

PLACE = "2026-11-24T08:30:00.123Z01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b"
QUERY = "sort=created_at"


def test_a_cursor_survives_the_way_to_the_client_and_back() -> None:
    text = str(Cursor.at(QUERY, PLACE))

    assert Cursor.parse(text).place_for(QUERY) == PLACE


def test_a_cursor_needs_no_escaping_in_a_url() -> None:
    assert str(Cursor.at(QUERY, PLACE)).replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_query_is_refused() -> None:
    cursor = Cursor.parse(str(Cursor.at("sort=-created_at", PLACE)))

    with pytest.raises(InvalidCursor, match="another query"):
        cursor.place_for(QUERY)


@pytest.mark.parametrize("place", ["", "2026", PLACE[:-1], PLACE + "0", PLACE.upper(), "\n" + PLACE, PLACE + "\n"])
def test_a_place_that_no_user_can_have_is_refused(place: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(str(Cursor.at(QUERY, place)))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: " " + text,
        lambda text: text[0] + "!" + text[1:],
        lambda text: text.replace(text[3], "é"),
        lambda text: text * 20,
    ],
)
def test_a_changed_cursor_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidCursor):
        Cursor.parse(change(str(Cursor.at(QUERY, PLACE))))


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)
