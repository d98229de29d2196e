"""Say in plain words what pydantic found wrong, without its jargon and without repeating the value."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

_Context = Mapping[str, Any]


def _plural(count: object, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _at_least(noun: str) -> Callable[[_Context], str]:
    def sentence(context: _Context) -> str:
        minimum = context["min_length"]
        return "must not be empty" if minimum == 1 else f"must have at least {_plural(minimum, noun)}"

    return sentence


def _at_most(noun: str) -> Callable[[_Context], str]:
    return lambda context: f"must have at most {_plural(context['max_length'], noun)}"


def _own_words(context: _Context) -> str:
    """Repeat what a validator raised; those messages are written for the reader and do not hold the whole value."""
    if "reason" in context:  # how pydantic's EmailStr reports what email-validator found
        return f"must be an e-mail address: {context['reason']}"
    return str(context.get("error") or "is not valid")


_FIXED = {
    "missing": "is required",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "none_required": "must be null",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "set_type": "must be an array",
    "invalid_key": "must have strings as keys",
    "date_type": "must be a date such as 2024-01-31",
    "date_parsing": "must be a date such as 2024-01-31",
    "date_from_datetime_parsing": "must be a date such as 2024-01-31",
    "datetime_type": "must be a date and time such as 2024-01-31T12:00:00Z",
    "datetime_parsing": "must be a date and time such as 2024-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a date and time such as 2024-01-31T12:00:00Z",
    "timezone_aware": "must be a date and time with an offset, such as 2024-01-31T12:00:00Z",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "url_type": "must be a URL",
    "url_parsing": "must be a URL",
    "url_syntax_violation": "must be a URL",
}

_WITH_CONTEXT: dict[str, Callable[[_Context], str]] = {
    "string_too_short": _at_least("character"),
    "string_too_long": _at_most("character"),
    "too_short": _at_least("item"),
    "too_long": _at_most("item"),
    "string_pattern_mismatch": lambda context: f"must match {context['pattern']}",
    "greater_than": lambda context: f"must be greater than {context['gt']}",
    "greater_than_equal": lambda context: f"must be {context['ge']} or more",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "less_than_equal": lambda context: f"must be {context['le']} or less",
    "multiple_of": lambda context: f"must be a multiple of {context['multiple_of']}",
    "literal_error": lambda context: f"must be {context['expected']}",
    "enum": lambda context: f"must be {context['expected']}",
    "uuid_version": lambda context: f"must be a UUID of version {context['expected_version']}",
    "url_scheme": lambda context: f"must be a URL starting with {context['expected_schemes']}",
    "url_too_long": lambda context: f"must have at most {context['max_length']} characters",
    "union_tag_invalid": lambda context: f"must be one of {context['expected_tags']}",
    "value_error": _own_words,
    "assertion_error": _own_words,
}


def describe(error: ErrorDetails) -> str:
    """Describe one pydantic error as the end of a sentence that starts with the field's name, such as "is required"."""
    kind = error["type"]
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _WITH_CONTEXT:
        return _WITH_CONTEXT[kind](error.get("ctx", {}))
    return "is not valid"
