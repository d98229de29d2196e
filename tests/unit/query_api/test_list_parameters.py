from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.cursors import Cursor
from query_api.directory import Filters, ListQuery, Start
from query_api.list_parameters import read_filters, read_users_query
from read_models.listing import instant
from runtime.problems import Problem
from user_directory_events.timestamps import to_milliseconds

START = Start(bytes.fromhex("3a253eb5b0bb01936e0a7a3c7d2e9f4b5c8d1e2f3a4b00"))
MANY = "one two three four five six seven eight nine ten"


def at(time: str) -> int:
    return instant(to_milliseconds(time))


def refused(parameters: dict[str, Any]) -> list[tuple[str | None, str]]:
    with pytest.raises(Problem) as caught:
        read_users_query(parameters)
    assert caught.value.slug == "invalid-parameter"
    assert caught.value.status == 400
    return [(error.parameter, error.detail) for error in caught.value.errors]


def test_without_parameters_the_first_page_of_the_oldest_users_is_wanted() -> None:
    query = read_users_query({})

    assert query.page == ListQuery(50, "created_at", descending=False, filters=Filters(), start=None)
    assert query.fields is None


def test_every_parameter_is_read() -> None:
    parameters = {
        "email": "Jo@Example.org",
        "external_id": " hr-7",
        "status": "suspended",
        "q": "Zoë Müller-Łu",
        "created_after": "2026-11-24T08:30:00Z",
        "created_before": "2026-11-24t10:30:00.5+01:00",
        "updated_after": "2026-11-24T08:30:00.123z",
        "sort": "-name",
        "limit": "500",
        "fields": "id,name,id",
    }
    parameters["cursor"] = str(Cursor.at(read_users_query(parameters).identity, START))

    query = read_users_query(parameters)

    filters = Filters(
        email="jo@example.org",
        external_id=" hr-7",
        status="suspended",
        words=("lu", "muller", "zoe"),
        created_from=at("2026-11-24T08:30:00.001Z"),
        created_before=at("2026-11-24T09:30:00.500Z"),
        updated_from=at("2026-11-24T08:30:00.124Z"),
    )
    assert query.page == ListQuery(500, "name", descending=True, filters=filters, start=START)
    assert query.fields == ("id", "name")
    counted = {name: parameters[name] for name in parameters if name not in ("sort", "limit", "fields", "cursor")}
    assert read_filters(counted) == filters


@pytest.mark.parametrize("parameter", ["sort", "limit", "fields", "cursor", "page"])
def test_a_count_has_filters_only(parameter: str) -> None:
    with pytest.raises(Problem) as caught:
        read_filters({parameter: "1"})

    assert [error.parameter for error in caught.value.errors] == [parameter]


def test_who_asks_for_changes_gets_them_in_their_order_unless_another_is_wanted() -> None:
    changes = {"updated_after": "2026-11-24T08:30:00Z"}

    assert read_users_query(changes).page.sort == "updated_at"
    assert read_users_query({**changes, "sort": "created_at"}).page.sort == "created_at"


@pytest.mark.parametrize(
    ("parameter", "first_in", "last_out"),
    [
        ("created_after", "2026-11-24T08:30:00.124Z", "2026-11-24T08:30:00.123Z"),
        ("updated_after", "2026-11-24T08:30:00.124Z", "2026-11-24T08:30:00.123Z"),
    ],
)
@pytest.mark.parametrize("digits", ["123", "1230000", "1239", "123000000001"])
def test_after_means_later_than_the_very_moment(parameter: str, first_in: str, last_out: str, digits: str) -> None:
    filters = read_filters({parameter: f"2026-11-24T08:30:00.{digits}Z"})

    least = filters.created_from if parameter == "created_after" else filters.updated_from
    assert least == at(first_in) == at(last_out) + 1


@pytest.mark.parametrize(
    ("digits", "last_in"), [("123", ".122"), ("1230000", ".122"), ("1230001", ".123"), ("0", None), ("001", ".000")]
)
def test_before_means_earlier_than_the_very_moment(digits: str, last_in: str | None) -> None:
    filters = read_filters({"created_before": f"2026-11-24T08:30:00.{digits}Z"})

    assert filters.created_before == (
        at(f"2026-11-24T08:30:00{last_in}Z") + 1 if last_in else at("2026-11-24T08:30:00.000Z")
    )


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-11-24",
        "2026-11-24T08:30Z",
        "2026-11-24T08:30:00",
        "2026-11-24 08:30:00Z",
        "20261124T083000Z",
        "2026-W48-2T08:30:00Z",
        "2026-02-30T08:30:00Z",
        "2026-11-24T24:30:00Z",
        "2026-11-24T08:30:00+25:00",
        "0000-01-01T00:00:00Z",
        "1795509000123",
        "٢٠٢٦-11-24T08:30:00Z",
    ],
)
@pytest.mark.parametrize("parameter", ["created_after", "created_before", "updated_after"])
def test_a_time_is_one_of_rfc_3339(parameter: str, time: str) -> None:
    assert [name for name, _ in refused({parameter: time})] == [parameter]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_all_times_are_times(time: str) -> None:
    assert read_filters({"created_after": time}) != Filters()


def test_a_plus_that_became_a_space_is_explained() -> None:
    assert "%2B" in refused({"email": "jo tag@example.org"})[0][1]
    assert "%2B" in refused({"created_after": "2026-11-24T08:30:00 01:00"})[0][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jo", ("jo",)),
        ("  JO   doe ", ("doe", "jo")),
        ("jo john jon", ("john", "jon")),
        ("jo.doe@example", ("doe", "example", "jo")),
        ("o'neill", ("neill", "o")),
        ("a" * 100, ("a" * 64,)),
        (MANY, tuple(sorted(MANY.split()))),
    ],
)
def test_words_are_folded_and_those_left_out_that_others_begin_with(text: str, words: tuple[str, ...]) -> None:
    assert read_filters({"q": text}).words == words


@pytest.mark.parametrize("text", ["", " ", "-", "@.", f"{MANY} eleven", "a" * 257])
def test_too_few_and_too_many_words_are_refused(text: str) -> None:
    assert [name for name, _ in refused({"q": text})] == ["q"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", ""),
        ("status", "Active"),
        ("external_id", ""),
        ("external_id", "x" * 257),
        ("sort", "id"),
        ("sort", "--name"),
        ("sort", ""),
        ("fields", ""),
        ("fields", "id,"),
        ("fields", "id, name"),
        ("fields", "id,name.given"),
    ],
)
def test_a_value_that_means_nothing_is_refused(name: str, value: str) -> None:
    assert [fault for fault, _ in refused({name: value})] == [name]


def test_the_limit_and_the_fields_may_change_from_page_to_page() -> None:
    cursor = str(Cursor.at(read_users_query({"limit": "2"}).identity, START))

    assert read_users_query({"limit": "3", "fields": "id", "cursor": cursor}).page.start == START


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "-created_at"},
        {"sort": "name"},
        {"email": "jo@example.org"},
        {"external_id": "jo@example.org"},
        {"status": "active"},
        {"q": "jo"},
        {"created_after": "2026-11-24T08:30:00Z"},
        {"created_before": "2026-11-24T08:30:00.001Z"},
        {"updated_after": "2026-11-24T08:30:00Z", "sort": "created_at"},
    ],
)
def test_a_cursor_serves_its_own_query_only(other: dict[str, str]) -> None:
    cursor = str(Cursor.at(read_users_query({}).identity, START))

    with pytest.raises(Problem) as caught:
        read_users_query({**other, "cursor": cursor})

    assert caught.value.slug == "invalid-cursor"
    assert [error.parameter for error in caught.value.errors] == ["cursor"]


def test_all_faults_are_told_together() -> None:
    faults = refused(
        {
            "limit": "0",
            "sort": "surname",
            "email": "nobody",
            "cursor": "x",
            "page": "2",
            "Limit": "1",
            "emails": ["a"],
            "q": "!",
            "status": "gone",
            "fields": "salary",
            "created_after": "yesterday",
            "external_id": "",
        }
    )

    assert {name for name, _ in faults} == {
        "limit",
        "sort",
        "email",
        "cursor",
        "page",
        "Limit",
        "emails",
        "q",
        "status",
        "fields",
        "created_after",
        "external_id",
    }


def test_a_parameter_may_be_given_once_only() -> None:
    assert refused({"limit": ["1", "1"]}) == [("limit", "must be given once")]


@pytest.mark.parametrize("limit", ["", "0", "501", "-1", "+1", "1.0", " 1", "1_0", "٣", "²", "9" * 5000, "ten"])
def test_a_limit_is_a_plain_number_in_its_range(limit: str) -> None:
    assert [name for name, _ in refused({"limit": limit})] == ["limit"]


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
    assert read_filters({"email": given_address}).email == comparable


@pytest.mark.parametrize(
    "address", ["", "jo", "jo@", "@example.org", "a@b@c.org", "jo@exa\nmple.org", "jo@" + "x" * 300 + ".org"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refused({"email": address}) == [("email", "must be an e-mail address")]


def test_a_very_long_name_is_not_repeated_in_full_nor_are_thousands() -> None:
    faults = refused({f"{number}" * 1000: "" for number in range(1000)})

    assert len(faults) == 50
    assert all(len(name or "") <= 64 for name, _ in faults)


NAMES = ["cursor", "email", "external_id", "status", "q", "created_after", "created_before", "fields", "limit", "sort"]


@given(st.dictionaries(st.sampled_from([*NAMES, "other"]), st.text() | st.from_regex(r"\A\d{4}-\d\d-\d\dT.*Z\Z")))
def test_every_query_is_read_or_refused(parameters: dict[str, str]) -> None:
    faults: set[str | None] = set()
    try:
        read_users_query(parameters)
    except Problem as problem:
        faults = {error.parameter for error in problem.errors}

    assert faults <= set(parameters)
    assert "other" in faults or "other" not in parameters
