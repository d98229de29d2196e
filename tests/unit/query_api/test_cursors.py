import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.cursors import Cursor, InvalidCursor
from query_api.directory import Start

START = Start(bytes.fromhex("3a253eb5b0bb01936e0a7a3c7d2e9f4b5c8d1e2f3a4b00"))
QUERY = "sort=created_at"


@given(st.binary(max_size=1000), st.booleans())
def test_a_cursor_survives_the_way_to_the_client_and_back(boundary: bytes, backwards: bool) -> None:
    start = Start(boundary, backwards)

    assert Cursor.parse(str(Cursor.at(QUERY, start))).start_for(QUERY) == start


def test_a_cursor_needs_no_escaping_in_a_url() -> None:
    assert str(Cursor.at(QUERY, START)).replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_query_is_refused() -> None:
    cursor = Cursor.parse(str(Cursor.at("sort=-created_at", START)))

    with pytest.raises(InvalidCursor, match="another query"):
        cursor.start_for(QUERY)


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
        lambda text: text * 40,
    ],
)
def test_a_changed_cursor_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidCursor):
        Cursor.parse(change(str(Cursor.at(QUERY, START))))


@given(st.data())
def test_a_cursor_with_one_other_character_is_refused(data: st.DataObject) -> None:
    text = str(Cursor.at(QUERY, START))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("Ab1-_").filter(lambda character: character != text[place]))

    with pytest.raises(InvalidCursor):
        Cursor.parse(text[:place] + other + text[place + 1 :]).start_for(QUERY)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)
