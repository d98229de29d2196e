"""From a record of an imported file to the registration that it asks for, or to the problem with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from command_api.import_records import Fault, Format, Record
from command_api.requests import UserBody
from runtime.json_body import parse, validate
from runtime.problems import FieldError, Problem
from user_directory_events import UserRegisteredData

MEDIA_TYPES: Final[dict[str, Format]] = {"application/x-ndjson": "ndjson", "text/csv": "csv"}

# Column to its place in the body of `POST /users`.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("email",),
    "given": ("name", "given"),
    "family": ("name", "family"),
    "formatted": ("name", "formatted"),
    "display_name": ("display_name",),
    "external_id": ("external_id",),
    "attributes": ("attributes",),
}

_SCOPE = b"POST /users/import\n"
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the user that a row asks for, and the hash that stands for the row under an idempotency key."""

    fields: UserRegisteredData
    request_hash: str


Interpreter = Callable[[Record], Asked]
"""Reads one record; raises the Problem with it."""


def read_line(record: Record, limit: int) -> Asked:
    """Read a line of NDJSON: what `POST /users` takes as its body.

    Raises:
        Problem: what `POST /users` would answer.
    """
    _check(record, limit)
    assert isinstance(record.content, bytes)  # noqa: S101 - a line without a fault
    return Asked(validate(UserBody, parse(record.content)).to_data(), _hash(record.content))


class Header:
    """The first row of a CSV file: which column stands where."""

    def __init__(self, record: Record, limit: int) -> None:
        """Read the header.

        Raises:
            Problem: it is no CSV, or its columns are not what a file of users has.
        """
        _check(record, limit)
        names = [str(name).strip() for name in record.content]
        faults = [FieldError("", f"unknown column {name[:64]!r}") for name in names if name not in COLUMNS]
        faults += [FieldError("", f"column {name!r} appears twice") for name in COLUMNS if names.count(name) > 1]
        if "email" not in names:
            faults.append(FieldError("", "column 'email' is missing"))
        if faults:
            detail = f"The first row must name columns out of {', '.join(COLUMNS)}, separated by commas."
            raise Problem("invalid-request", detail, errors=faults)
        self._places = [COLUMNS[name] for name in names]

    def read_row(self, record: Record, limit: int) -> Asked:
        """Read a row; an empty cell says nothing.

        Raises:
            Problem: what `POST /users` would answer; the pointers are those into its body.
        """
        _check(record, limit)
        cells: Sequence[Any] = record.content
        if len(cells) != len(self._places):
            raise Problem("malformed-csv", f"The row has {len(cells)} cells, the first row has {len(self._places)}.")
        body: dict[str, Any] = {}
        for place, cell in zip(self._places, cells, strict=True):
            if cell == "":
                continue
            if place == ("attributes",):
                body["attributes"] = _json_cell(cell)
            elif len(place) == 1:
                body[place[0]] = cell
            else:
                body.setdefault(place[0], {})[place[1]] = cell
        return Asked(validate(UserBody, body).to_data(), _hash(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)))


def _json_cell(cell: str) -> Any:
    try:
        return parse(cell.encode())
    except Problem as problem:
        errors = [FieldError(f"/attributes{error.pointer}", error.detail) for error in problem.errors]
        detail = f"The cell `attributes` is not valid JSON: {problem.detail}"
        raise Problem(problem.slug, detail, errors=errors or [FieldError("/attributes", "is not valid JSON")]) from None


def _check(record: Record, limit: int) -> None:
    if record.fault is not None:
        raise _problem(record.fault, record.detail, limit)


def _problem(fault: Fault, detail: str, limit: int) -> Problem:
    match fault:
        case "too-large":
            return Problem("body-too-large", f"A row must have at most {limit} bytes.")
        case "not-utf-8":
            return Problem("malformed-csv", "The row is not UTF-8.")
        case "not-csv":
            return Problem("malformed-csv", f"The row is not CSV: {detail}.")


def _hash(content: bytes) -> str:
    return blake2b(_SCOPE + content, digest_size=_DIGEST_BYTES).hexdigest()
