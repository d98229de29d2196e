import csv
import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_api.import_records import Format, Record, records

LIMIT = 200


def cut(form: Format, data: bytes, *places: int, limit: int = LIMIT) -> list[Record]:
    """Cut a file that arrives in parts."""
    cutter = records(form, limit)
    edges = [0, *sorted(places), len(data)]
    found = [record for start, end in itertools.pairwise(edges) for record in cutter.feed(data[start:end])]
    return [*found, *cutter.finish()]


def contents(found: list[Record]) -> list[object]:
    return [record.fault or record.content for record in found]


# --- NDJSON


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n \t\n"])
def test_each_line_is_a_record_with_or_without_an_ending_of_the_last(ending: bytes) -> None:
    assert contents(cut("ndjson", b'{"a":1}\n{"b":2}' + ending)) == [b'{"a":1}', b'{"b":2}']


def test_blank_lines_are_no_records_and_count_in_the_ends() -> None:
    data = b'\n\r\n{"a":1}\n   \n{"b":2}\n'

    found = cut("ndjson", data)

    assert contents(found) == [b'{"a":1}', b'{"b":2}']
    assert [data[: record.end] for record in found] == [data[:11], data]


def test_a_line_that_is_too_long_is_one_record_however_it_arrives() -> None:
    data = b"1\n" + b"x" * (3 * LIMIT) + b"\n2\n"

    for places in [(), range(1, len(data)), (2 + LIMIT,), (3 + LIMIT, 3 + 2 * LIMIT)]:
        found = cut("ndjson", data, *places)
        assert contents(found) == [b"1", "too-large", b"2"]
        assert [record.end for record in found] == [2, 3 + 3 * LIMIT, 5 + 3 * LIMIT]


def test_no_more_than_the_limit_is_kept_of_a_line_without_an_end() -> None:
    cutter = records("ndjson", LIMIT)
    for _ in range(1000):
        assert list(cutter.feed(b"x" * 1000)) == []
        assert len(cutter._rest) <= LIMIT  # type: ignore[attr-defined]
    assert contents(list(cutter.finish())) == ["too-large"]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_byte_order_mark_at_the_beginning_is_no_content(form: Format) -> None:
    data = b"\xef\xbb\xbf1\n2\n"
    one, two = ([b"1", b"2"]) if form == "ndjson" else (["1"], ["2"])

    found = cut(form, data)

    assert contents(found) == [one, two]
    assert [record.end for record in found] == [5, 7]


# --- CSV


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a,b\nc,d", [["a", "b"], ["c", "d"]]),
        ('"a,b",c\n', [["a,b", "c"]]),
        ('"say ""hi""",c\n', [['say "hi"', "c"]]),
        ('"one\ntwo\r\nthree",c\n', [["one\ntwo\r\nthree", "c"]]),
        ('a,"",\n', [["a", "", ""]]),
        ("a\n\n,,,\n \nb\n", [["a"], ["b"]]),
        ("Zoë,李\n", [["Zoë", "李"]]),
        ('5" disk,b\n', [['5" disk', "b"]]),
    ],
)
def test_rows_are_cut_as_rfc_4180_says(data: str, rows: list[list[str]]) -> None:
    raw = data.encode()

    assert contents(cut("csv", raw)) == rows
    assert contents(cut("csv", raw, *range(1, len(raw)))) == rows


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'"a"b,c\nd,e\n', ["not-csv", ["d", "e"]]),
        (b"a\xff,b\nd,e\n", ["not-utf-8", ["d", "e"]]),
        (b'a,"never closed\nb,c\n', ["not-csv"]),
    ],
)
def test_a_row_that_is_no_csv_is_one_record_and_the_rest_goes_on(data: bytes, found: list[object]) -> None:
    assert contents(cut("csv", data)) == found
    assert contents(cut("csv", data, *range(1, len(data)))) == found


@pytest.mark.parametrize("between", ["x" * (3 * LIMIT), "\n".join(["a,b"] * LIMIT), 'x""y\n' * LIMIT])
def test_a_row_that_is_too_large_ends_where_its_quotes_do(between: str) -> None:
    data = f'1,2\n3,"{between}"\n5,6\n'.encode()

    for places in [(), range(1, len(data)), (LIMIT,), (LIMIT, 2 * LIMIT + 7)]:
        found = cut("csv", data, *places)
        assert contents(found) == [["1", "2"], "too-large", ["5", "6"]]
        assert [record.end for record in found] == [4, len(data) - 4, len(data)]


def test_no_more_than_the_limit_is_kept_of_a_row_without_an_end() -> None:
    cutter = records("csv", LIMIT)
    list(cutter.feed(b'"'))
    for _ in range(1000):
        assert list(cutter.feed(b"x\n" * 500)) == []
        assert cutter._size() <= LIMIT  # type: ignore[attr-defined]
    assert contents(list(cutter.finish())) == ["too-large"]


# --- whatever the parts


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=6), st.data())
def test_csv_comes_back_whatever_the_parts(rows: list[list[str]], data: st.DataObject) -> None:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    raw = written.getvalue().encode()
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=5))

    found = cut("csv", raw, *places, limit=10_000)

    assert contents(found) == [row for row in rows if any(cell and not cell.isspace() for cell in row)]


@given(st.lists(st.dictionaries(texts, texts, max_size=3), max_size=6), st.data())
def test_ndjson_comes_back_whatever_the_parts(documents: list[dict[str, str]], data: st.DataObject) -> None:
    raw = b"\n".join(json.dumps(document, ensure_ascii=False).encode() for document in documents)
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=5))

    found = cut("ndjson", raw, *places, limit=10_000)

    assert [json.loads(bytes(record.content)) for record in found] == documents  # type: ignore[arg-type]
    assert [record.end for record in found][-1:] == [len(raw)][: len(documents)]


@given(st.binary(max_size=300), st.sampled_from(["ndjson", "csv"]), st.data())
def test_any_bytes_are_cut_the_same_whatever_the_parts(raw: bytes, form: Format, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))

    assert cut(form, raw, *places, limit=1000) == cut(form, raw, limit=1000)
