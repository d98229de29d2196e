import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.cursors import Cursor
from query_api.directory import ListQuery
from query_api.parameters import read_user_id, read_users_query, refuse_all
from runtime.problems import Problem

PLACE = "2026-11-24T08:30:00.123Z01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b"


def test_without_parameters_the_first_page_of_the_oldest_users_is_wanted() -> None:
    query = read_users_query({})

    assert query.email is None
    assert query.page == ListQuery(newest_first=False, limit=50, after=None)


def test_every_parameter_is_read() -> None:
    cursor = str(Cursor.at(read_users_query({"sort": "-created_at"}).identity, PLACE))

    query = read_users_query({"sort": "-created_at", "limit": "500", "cursor": cursor})

    assert query.page == ListQuery(newest_first=True, limit=500, after=PLACE)


def test_the_limit_may_change_from_page_to_page() -> None:
    cursor = str(Cursor.at(read_users_query({"limit": "2"}).identity, PLACE))

    assert read_users_query({"limit": "3", "cursor": cursor}).page.after == PLACE


@pytest.mark.parametrize(
    "other", [{"sort": "-created_at"}, {"email": "jo@example.org"}, {"sort": "-created_at", "email": "jo@example.org"}]
)
def test_a_cursor_serves_its_own_query_only(other: dict[str, str]) -> None:
    cursor = str(Cursor.at(read_users_query({}).identity, PLACE))

    with pytest.raises(Problem) as caught:
        read_users_query({**other, "cursor": cursor})

    assert caught.value.slug == "invalid-cursor"
    assert [error.parameter for error in caught.value.errors] == ["cursor"]


def test_what_is_no_cursor_is_an_invalid_cursor() -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({"cursor": "x"})

    assert caught.value.slug == "invalid-cursor"


def test_all_faults_are_told_together() -> None:
    with pytest.raises(Problem) as caught:
        read_users_query(
            {"limit": "0", "sort": "name", "email": "nobody", "cursor": "x", "page": "2", "Limit": "1", "emails": ["a"]}
        )

    assert caught.value.slug == "invalid-parameter"
    assert caught.value.status == 400
    assert {error.parameter for error in caught.value.errors} == {
        "limit",
        "sort",
        "email",
        "cursor",
        "page",
        "Limit",
        "emails",
    }


def test_a_parameter_may_be_given_once_only() -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({"limit": ["1", "1"]})

    assert [(error.parameter, error.detail) for error in caught.value.errors] == [("limit", "must be given once")]


@pytest.mark.parametrize("limit", ["", "0", "501", "-1", "+1", "1.0", " 1", "1_0", "٣", "²", "9" * 5000, "ten"])
def test_a_limit_is_a_plain_number_in_its_range(limit: str) -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({"limit": limit})

    assert [error.parameter for error in caught.value.errors] == ["limit"]


@pytest.mark.parametrize(
    ("given_address", "comparable"),
    [
        ("Jo@EXAMPLE.org", "jo@example.org"),
        ("a@xn--exmple-cua.de", "a@exämple.de"),
        ("jo+tag@example.org", "jo+tag@example.org"),
        ("jo@printer.local", "jo@printer.local"),
        ("用户@例え.jp", "用户@例え.jp"),
    ],
)
def test_an_address_is_looked_up_in_its_comparable_form(given_address: str, comparable: str) -> None:
    assert read_users_query({"email": given_address}).email == comparable


@pytest.mark.parametrize(
    "address", ["", "jo", "jo@", "@example.org", "a@b@c.org", "jo@exa\nmple.org", "jo@" + "x" * 300 + ".org"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({"email": address})

    assert [(error.parameter, error.detail) for error in caught.value.errors] == [
        ("email", "must be an e-mail address")
    ]


def test_a_plus_that_became_a_space_is_explained() -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({"email": "jo tag@example.org"})

    assert "%2B" in caught.value.errors[0].detail


def test_a_very_long_name_is_not_repeated_in_full_nor_are_thousands() -> None:
    with pytest.raises(Problem) as caught:
        read_users_query({f"{number}" * 1000: "" for number in range(1000)})

    assert len(caught.value.errors) == 50
    assert all(len(error.parameter or "") <= 64 for error in caught.value.errors)


@given(st.dictionaries(st.sampled_from(["cursor", "email", "limit", "sort", "other"]), st.text()))
def test_every_query_is_read_or_refused(parameters: dict[str, str]) -> None:
    refused: set[str | None] = set()
    try:
        read_users_query(parameters)
    except Problem as problem:
        refused = {error.parameter for error in problem.errors}

    assert refused <= set(parameters)
    assert "other" in refused or "other" not in parameters


def test_an_id_may_be_of_any_version_and_either_case() -> None:
    assert read_user_id("01936E0A-7A3C-7D2E-9F4B-5C8D1E2F3A4B") == "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b"
    assert read_user_id("00000000-0000-0000-0000-000000000000") == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "01936e0a7a3c7d2e9f4b5c8d1e2f3a4b",
        "{01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b}",
        "urn:uuid:01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
        "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b\n",
        "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4",
        "٠1936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
    ],
)
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_user_id(text)

    assert caught.value.slug == "invalid-parameter"
    assert [error.pointer for error in caught.value.errors] == ["/id"]


def test_where_there_are_no_parameters_each_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        refuse_all({"version": "1", "at": "now"})

    assert [error.parameter for error in caught.value.errors] == ["version", "at"]


def test_a_cursor_where_there_is_none_is_an_unknown_parameter() -> None:
    with pytest.raises(Problem) as caught:
        refuse_all({"cursor": "x"})

    assert caught.value.slug == "invalid-parameter"
