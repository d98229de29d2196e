from collections.abc import Sequence

import pytest

from command_api.import_records import Record
from command_api.import_rows import COLUMNS, Header, read_line
from runtime.problems import Problem

LIMIT = 1000
ALL = list(COLUMNS)


def header(*names: str) -> Header:
    return Header(Record(names, 0), LIMIT)


def row(head: Header, cells: Sequence[str]) -> dict[str, object]:
    return head.read_row(Record(cells, 0), LIMIT).fields.model_dump(exclude_unset=True)


def problem(cells: Sequence[str], *names: str) -> tuple[str, list[str]]:
    with pytest.raises(Problem) as caught:
        row(header(*(names or ALL)), cells)
    return caught.value.slug, [error.pointer for error in caught.value.errors]


def test_columns_stand_in_any_order_and_need_not_all_be_there() -> None:
    head = header("family", "email", " external_id ")

    assert row(head, ["Doe", "jo@example.org", "hr-1"]) == {
        "email": "jo@example.org",
        "external_id": "hr-1",
        "name": {"family": "Doe"},
    }


def test_every_column_has_its_place() -> None:
    cells = ["jo@example.org", "Jo", "Doe", "Jo Doe", "Joe", "hr-1", '{"team": ["north"], "none": null}']

    assert row(header(*ALL), cells) == {
        "email": "jo@example.org",
        "name": {"given": "Jo", "family": "Doe", "formatted": "Jo Doe"},
        "display_name": "Joe",
        "external_id": "hr-1",
        "attributes": {"team": ["north"], "none": None},
    }


def test_an_empty_cell_says_nothing() -> None:
    assert row(header(*ALL), ["jo@example.org", "", "", "", "Jo", "", ""]) == {
        "email": "jo@example.org",
        "display_name": "Jo",
    }


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (["given"], ["column 'email' is missing"]),
        (["email", "nick"], ["unknown column 'nick'"]),
        (["email", "given", "email"], ["column 'email' appears twice"]),
        (["email;given"], ["unknown column 'email;given'", "column 'email' is missing"]),
        (["E-Mail"], ["unknown column 'E-Mail'", "column 'email' is missing"]),
    ],
)
def test_a_first_row_that_names_other_columns_is_refused(names: list[str], faults: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        header(*names)

    assert (caught.value.slug, [error.detail for error in caught.value.errors]) == ("invalid-request", faults)


@pytest.mark.parametrize(
    ("cells", "slug", "pointers"),
    [
        (["nobody", "", "", "", "Jo", "", ""], "invalid-request", ["/email"]),
        (["", "", "", "", "Jo", "", ""], "invalid-request", ["/email"]),
        (["jo@example.org", " ", "", "", "", "", ""], "invalid-request", ["/name/given"]),
        (["jo@example.org", "", "", "", "Jo", "", "{"], "malformed-json", ["/attributes"]),
        (["jo@example.org", "", "", "", "Jo", "", '{"a": {"b": NaN}}'], "malformed-json", ["/attributes/a/b"]),
        (["jo@example.org", "", "", "", "Jo", "", "[1]"], "invalid-request", ["/attributes"]),
        (["jo@example.org", "Jo"], "malformed-csv", []),
        (["jo@example.org", "", "", "", "Jo", "", "", "more"], "malformed-csv", []),
    ],
)
def test_a_bad_cell_is_pointed_at_where_it_would_be_in_a_body(cells: list[str], slug: str, pointers: list[str]) -> None:
    assert problem(cells) == (slug, pointers)


@pytest.mark.parametrize(
    ("record", "slug"),
    [
        (Record((), 0, "too-large"), "body-too-large"),
        (Record((), 0, "not-utf-8"), "malformed-csv"),
        (Record((), 0, "not-csv", "why"), "malformed-csv"),
    ],
)
def test_a_record_that_could_not_be_cut_has_a_problem_of_its_own(record: Record, slug: str) -> None:
    for read in (header("email").read_row, read_line):
        with pytest.raises(Problem) as caught:
            read(record, LIMIT)
        assert caught.value.slug == slug


def test_the_hash_of_a_row_follows_its_content_and_not_the_order_of_its_columns() -> None:
    def hashed(names: list[str], cells: list[str]) -> str:
        return header(*names).read_row(Record(cells, 0), LIMIT).request_hash

    one = hashed(["email", "given"], ["jo@example.org", "Jo"])

    assert hashed(["given", "email"], ["Jo", "jo@example.org"]) == one
    assert hashed(["email", "given"], ["jo@example.org", "Joe"]) != one
