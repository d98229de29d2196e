"""What all query strings have in common: each parameter known and given once, all faults told together."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from runtime.problems import FieldError, Problem

Parameters = Mapping[str, str | list[str]]
Readers = Mapping[str, Callable[[str], Any]]
"""What reads each parameter; a reader raises ValueError with the end of a sentence that starts with the name."""

_MOST_FAULTS: Final = 50
_LONGEST_NAME: Final = 64


def read_all(parameters: Parameters, readers: Readers) -> dict[str, Any]:
    """Return the values of the parameters that are there.

    Raises:
        Problem: naming every fault.
    """
    values: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name, value in parameters.items():
        read = readers.get(name)
        if read is None:
            faults.append(unknown(name, readers))
        elif not isinstance(value, str):
            faults.append(fault(name, "must be given once"))
        else:
            try:
                values[name] = read(value)
            except ValueError as error:
                faults.append(fault(name, str(error)))
    if faults:
        of_cursor = "cursor" in readers and all(error.parameter == "cursor" for error in faults)
        raise invalid(faults, "invalid-cursor" if of_cursor else "invalid-parameter")
    return values


def whole_number(most: int) -> Callable[[str], int]:
    """Return the reader of a number from 1."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise ValueError(f"must be a whole number from 1 to {most}")
        return int(text)

    return read


def one_of(*values: str) -> Callable[[str], str]:
    """Return the reader of a word out of a few."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"must be {' or '.join(values)}")
        return text

    return read


def fault(name: str, detail: str) -> FieldError:
    """Make the fault of one parameter."""
    return FieldError("", detail, parameter=name)


def unknown(name: str, known: Collection[str]) -> FieldError:
    """Make the fault of a parameter that is not known here."""
    detail = f"unknown parameter; there are {', '.join(known)}" if known else "unknown parameter; there are none here"
    return fault(name[:_LONGEST_NAME], detail)


def invalid(faults: list[FieldError], slug: str = "invalid-parameter") -> Problem:
    """Make the problem of a query string with these faults."""
    count = len(faults)
    detail = f"The query has {count} fault{'s' if count != 1 else ''}."
    return Problem(slug, detail, errors=faults[:_MOST_FAULTS])
