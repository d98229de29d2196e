import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, EmailStr, Field

from runtime.json_body import MAX_DEPTH, MAX_ERRORS, parse, validate
from runtime.problems import FieldError, Problem

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
_documents = st.recursive(_scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_documents, st.booleans())
def test_what_is_valid_comes_back_as_it_was(document: Any, escaped: bool) -> None:
    assert parse(json.dumps(document, ensure_ascii=escaped).encode()) == document


def _parsed(raw: bytes) -> Any:
    try:
        return repr(parse(raw))
    except Problem as problem:
        return (problem.slug,)


_pieces = st.sampled_from(
    [
        *("{", "}", "[", "]", ",", ":", '"a"', '"b"', '"\\ud800"', '"é"', "null", "true", "NaN"),
        *("1", "-0", "1e400", "1.5", "1e2", "18446744073709551616", "-9223372036854775809"),
        *('{"a":1,"a":1}', '{"a":[]}'),
    ]
)


@given(st.lists(_pieces, max_size=12).map("".join) | _documents.map(lambda document: orjson.dumps(document).decode()))
def test_blanks_change_nothing(text: str) -> None:
    # Without blanks a text may be parsed the short way, with them it never is.
    assert _parsed(text.encode()) == _parsed(f"{text} ".encode())


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_short_way_goes_no_deeper(depth: int) -> None:
    text = "[" * depth + "]" * depth

    assert _parsed(text.encode()) == _parsed(f"{text} ".encode())
    assert isinstance(_parsed(text.encode()), tuple) == (depth > MAX_DEPTH)


@given(st.binary() | st.text(alphabet='{}[]",:0123456789.eE+-\\ud8tfn NaI').map(str.encode))
def test_whatever_comes_in_is_parsed_or_is_a_problem(raw: bytes) -> None:
    slugs = set()
    try:
        parse(raw)
    except Problem as problem:
        slugs.add(problem.slug)
    assert slugs <= {"malformed-json"}


@pytest.mark.parametrize(
    ("raw", "pointer", "detail"),
    [
        (b'{"a":1,"a":1}', "/a", "appears more than once"),
        (b'[{"x":{"a":1,"b":2,"b":3}}]', "/0/x/b", "appears more than once"),
        (b'{"a\\/b~c":[1,NaN]}', "/a~1b~0c/1", "must not be NaN, which JSON does not have"),
        (b'{"a":-Infinity}', "/a", "must not be -Infinity, which JSON does not have"),
        (b'{"a":1e400}', "/a", "must be a number in the range of a 64-bit float"),
        (b'{"a":-1e400}', "/a", "must be a number in the range of a 64-bit float"),
        (b'{"a":18446744073709551616}', "/a", "must be a whole number of at most 64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "/a", "must be a whole number of at most 64 bits"),
        (b'{"a":["\\ud800"]}', "/a/0", "must not contain a lone surrogate"),
        (b'{"a":{"\\udc00":1}}', "/a", "must not have a name with a lone surrogate"),
        (b'{"\\ud800":1,"\\ud800":2}', "/\ufffd", "appears more than once"),
    ],
)
def test_a_fault_is_named_with_its_place(raw: bytes, pointer: str, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(raw)
    assert caught.value.slug == "malformed-json"
    assert caught.value.errors == (FieldError(pointer, detail),)
    json.dumps(caught.value.document()).encode()


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b"\xef\xbb\xbf{}", "The body starts with a byte order mark."),
        (b'{"a":"\xff"}', "The body is not UTF-8: byte 6 is wrong."),
        (b'{"a":"\xed\xa0\x80"}', "The body is not UTF-8: byte 6 is wrong."),
        ('{"a":1}'.encode("utf-16"), "The body is not UTF-8: byte 0 is wrong."),
        (b'{"a":\n01}', "Expecting ',' delimiter at line 2, column 2."),
        (b"[" * 100_000, f"The body is nested deeper than {MAX_DEPTH} levels."),
    ],
)
def test_a_body_that_is_not_json_is_described(raw: bytes, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(raw)
    assert caught.value.detail == detail


def test_nesting_is_allowed_up_to_the_limit_and_not_beyond() -> None:
    parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(Problem) as caught:
        parse(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert caught.value.errors[0].pointer == "/0" * MAX_DEPTH


class _Colour(StrEnum):
    RED = "red"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(ge=1)


class _Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=5)
    email: EmailStr | None = None
    colour: _Colour = _Colour.RED
    size: Literal["small", "big"] = "small"
    made: datetime | None = None
    id: UUID | None = None
    ready: bool = False
    parts: list[_Part] = []
    either: int | _Part = 1
    labels: dict[str, str] = {}


def _faults(document: Any) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        validate(_Thing, document)
    assert caught.value.slug == "invalid-request"
    return {error.pointer: error.detail for error in caught.value.errors}


def test_json_types_become_python_types() -> None:
    thing = validate(_Thing, {"name": "x", "made": "2024-01-31T12:00:00Z", "colour": "red", "id": str(UUID(int=4))})
    assert thing.made is not None
    assert (thing.made.year, thing.colour, thing.id) == (2024, _Colour.RED, UUID(int=4))


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ([], "", "must be an object"),
        ("x", "", "must be an object"),
        ({}, "/name", "is required"),
        ({"name": 1}, "/name", "must be a string"),
        ({"name": None}, "/name", "must be a string"),
        ({"name": ""}, "/name", "must not be empty"),
        ({"name": "abcdef"}, "/name", "must have at most 5 characters"),
        ({"name": "x", "a/b~": 1}, "/a~1b~0", "unknown field"),
        ({"name": "x", "ready": "true"}, "/ready", "must be true or false"),
        ({"name": "x", "colour": "blue"}, "/colour", "must be 'red'"),
        ({"name": "x", "size": "wide"}, "/size", "must be 'small' or 'big'"),
        ({"name": "x", "made": "yesterday"}, "/made", "must be a date and time such as 2024-01-31T12:00:00Z"),
        ({"name": "x", "id": "7"}, "/id", "must be a UUID"),
        ({"name": "x", "parts": {}}, "/parts", "must be an array"),
        ({"name": "x", "parts": [{"count": 1}, 5]}, "/parts/1", "must be an object"),
        ({"name": "x", "parts": [{"count": 1}, {}]}, "/parts/1/count", "is required"),
        ({"name": "x", "parts": [{"count": 0}]}, "/parts/0/count", "must be 1 or more"),
        ({"name": "x", "parts": [{"count": "1"}]}, "/parts/0/count", "must be a whole number"),
        ({"name": "x", "either": {"count": 0}}, "/either/count", "must be 1 or more"),
        ({"name": "x", "labels": {"k": 1}}, "/labels/k", "must be a string"),
    ],
)
def test_each_fault_has_a_pointer_and_plain_words(document: Any, pointer: str, detail: str) -> None:
    assert _faults(document)[pointer] == detail


def test_every_fault_is_reported_at_once() -> None:
    assert set(_faults({"name": "", "ready": 1, "extra": 1})) == {"/name", "/ready", "/extra"}


def test_an_address_is_judged_without_repeating_it() -> None:
    detail = _faults({"name": "x", "email": "secret person@example"})["/email"]
    assert detail.startswith("must be an e-mail address")
    assert "secret" not in detail


def test_a_flood_of_faults_and_names_is_cut() -> None:
    with pytest.raises(Problem) as caught:
        validate(_Thing, {"name": "x"} | {f"{n}" * 1000: n for n in range(10, 90)})
    assert len(caught.value.errors) == MAX_ERRORS
    assert {error.pointer for error in caught.value.errors} == {""}
