from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_models.ids import lengthen, raw_id, shorten
from read_models.keys import Keys
from read_models.listing import SORTS, Listing, before, behind, instant, member_from_record, time_bytes, word_range
from read_models.records import UserRecord, listing_and_document
from tests.unit.query_api.memory_directory import make_user
from user_directory_events import Name, User

KEYS = Keys("p").generation(1)
NAMES = st.builds(Name, given=st.none() | st.text(), family=st.none() | st.text(), formatted=st.none() | st.text())
TIMES = st.sampled_from(["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "2026-11-24T08:30:00.123Z"])
USERS = st.builds(
    make_user,
    st.integers(0, 3),
    name=st.none() | NAMES,
    display_name=st.none() | st.text(),
    created_at=TIMES,
    updated_at=TIMES,
    status=st.sampled_from(["active", "suspended"]),
)


def name_key(**fields: Any) -> str:
    return Listing.of(make_user(1, **{"display_name": None, **fields})).name


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"name": Name(given="Jo", family="Doe", formatted="Dr. Joanna DOE")}, "dr joanna doe"),
        ({"name": Name(given="Jo", family="Doe"), "display_name": "X"}, "jo doe"),
        ({"name": Name(family="Đoàn"), "display_name": "X"}, "doan"),
        ({"display_name": "Zoë"}, "zoe"),
        ({"display_name": "!"}, ""),
        ({"display_name": "long " * 50}, ("long " * 50)[:64]),
    ],
)
def test_users_are_sorted_by_the_name_that_they_are_called_by(fields: dict[str, Any], key: str) -> None:
    assert name_key(**fields) == key


def test_words_are_those_of_all_names_and_the_address() -> None:
    name = Name(given="Jo", family="Doe", formatted="Dr Jo Doe")
    listing = Listing.of(make_user(1, name=name, display_name="Joey", email="jd@mail.example"))

    assert set(listing.words) == {"dr", "jo", "doe", "joey", "jd", "mail", "example"}


@given(USERS)
def test_what_lists_sort_by_reads_back_from_the_record(user: User) -> None:
    record = UserRecord.of(user, version=1, partition=0, offset=7, void_ids=["void id"]).encode()

    listing, document = listing_and_document(record)
    head, _ = listing_and_document(record.partition(b"\n")[0])

    for sort in SORTS:
        expected = Listing.of(user).member(sort, raw_id(user.id))
        assert member_from_record(sort, raw_id(user.id), listing, document) == expected
        if sort != "email":
            assert member_from_record(sort, raw_id(user.id), head, b"") == expected


@given(USERS, st.text(min_size=1, max_size=2))
def test_the_users_with_words_that_begin_so_are_the_words_less_the_shared_starts(user: User, start: str) -> None:
    listing = Listing.of(user)
    low, high = word_range(start)
    found = list(listing.members(KEYS, user.id))

    def count(index: str) -> int:
        return sum(key == index and low <= member < high for key, member in found)

    assert count(KEYS.words) - count(KEYS.shared_starts) == any(word.startswith(start) for word in listing.words)
    assert len(set(found)) == len(found)


# Six bytes of milliseconds reach from year 1 to 8920; what is later is as late as that.
INSTANTS = st.integers(-62_135_596_800_000, 219_339_379_910_655)


@given(INSTANTS, INSTANTS)
def test_times_are_in_the_order_of_their_bytes(first: int, second: int) -> None:
    assert (time_bytes(instant(first)) < time_bytes(instant(second))) == (first < second)


@pytest.mark.parametrize("sort", SORTS)
def test_a_boundary_is_beside_its_member_and_no_other(sort: Any) -> None:
    users = [make_user(number, display_name=f"name {number}", email=f"{number}@example.org") for number in range(3)]
    first, second, third = (Listing.of(user).member(sort, raw_id(user.id)) for user in users)

    assert first < before(sort, second) <= second < behind(sort, second) <= third


@given(st.none() | st.text() | st.uuids().map(str))
def test_what_is_shortened_is_one_word_and_comes_back(text: str | None) -> None:
    word = shorten(text)

    assert lengthen(word) == text
    assert word.isascii()
    assert not set(word) & set(" {}\n")


@given(st.uuids())
def test_an_id_is_the_bytes_of_the_uuid(uuid: Any) -> None:
    assert raw_id(str(uuid)) == uuid.bytes


@given(st.text())
def test_what_is_no_uuid_has_an_id_of_the_same_length(text: str) -> None:
    assert len(raw_id(text)) == 16
    assert raw_id(text) == raw_id(text)
    assert raw_id(text) != raw_id(text + "x")
