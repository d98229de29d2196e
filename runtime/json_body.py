"""Read request bodies: bounded, of the right media type, strict JSON, validated, each fault with its place."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import falcon
import falcon.asgi
import orjson
from pydantic import BaseModel, ValidationError

from runtime.faults import describe
from runtime.problems import FieldError, Problem

MAX_DEPTH: Final = 32
BODY_SECONDS: Final = 30.0
MAX_ERRORS: Final = 50
# Longer names are the client's own nonsense and are not sent back to it.
MAX_POINTER: Final = 256
_INTEGERS: Final = range(-(2**63), 2**64)

M = TypeVar("M", bound=BaseModel)


class _Rejected:
    """Stands in the parsed tree where JSON's grammar or range was broken, until `_check` has found its pointer."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class _Repeated(_Rejected):
    """An object with a name that occurs twice."""

    def __init__(self, name: str) -> None:
        super().__init__("appears more than once")
        self.name = name


def parse(raw: bytes) -> Any:
    """Parse one JSON text strictly (RFC 8259, and RFC 7493 where that is stricter).

    Integers must fit 64 bits and floats must be finite: every later reader then sees the number that was sent.

    Raises:
        Problem: `malformed-json`, with the place as a JSON pointer where there is one.
    """
    if (plain := _parse_plain(raw)) is not None:
        return plain
    if raw.startswith(b"\xef\xbb\xbf"):
        raise _malformed("The body starts with a byte order mark.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: byte {error.start} is wrong.") from None
    if not text.strip(" \t\r\n"):
        raise _malformed("The body is empty.")
    try:
        tree = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise _malformed(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    # Decoded UTF-8 holds no surrogate, so only an escape can have brought one in.
    _check(tree, "", MAX_DEPTH, surrogates=r"\u" in text)
    return tree


def _parse_plain(raw: bytes) -> Any:
    """Parse a text that is written as orjson writes it; None: it may be in order all the same.

    A text that comes out again byte by byte holds no name twice, no number out of range and no lone surrogate, so there
    is nothing left to look for. Half the time of the other way, and many programs write JSON without blanks.
    """
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return None
    try:
        tree = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return tree if orjson.dumps(tree) == raw else None


async def read_body(req: falcon.asgi.Request, limit: int, content_types: Sequence[str]) -> bytes:
    """Read the request's body, never buffering much more than `limit` bytes.

    When the answer is 413 the server reads and drops what the client still sends, so the client gets the answer.

    Raises:
        Problem: `unsupported-media-type`, `body-too-large`, `request-timeout`, or `malformed-json` for a body shorter
            than announced.
    """
    check_content_type(req, content_types)
    length = req.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw: bytes = await req.stream.read(limit + 1)
    except TimeoutError:
        detail = f"The body did not arrive within {BODY_SECONDS:g} seconds."
        raise Problem("request-timeout", detail, headers={"Connection": "close"}) from None
    if len(raw) > limit:
        raise _too_large(limit)
    if length is not None and len(raw) != length:
        raise _malformed("The body is shorter than Content-Length says.")
    return raw


async def read_json(req: falcon.asgi.Request, limit: int, content_types: Sequence[str]) -> Any:
    """Read and parse the request's body; raises what `read_body` and `parse` raise."""
    return parse(await read_body(req, limit, content_types))


def check_content_type(req: falcon.asgi.Request, content_types: Sequence[str]) -> None:
    """Refuse a body that is not plain UTF-8 of one of the media types.

    Raises:
        Problem: `unsupported-media-type`.
    """
    offered = {"Accept": ", ".join(content_types)}
    encoding = req.get_header("Content-Encoding")
    if encoding and encoding.strip().lower() != "identity":
        raise Problem("unsupported-media-type", "The body must not be compressed.", headers=offered)
    header = req.content_type
    if header in content_types:
        return
    if not header:
        raise Problem("unsupported-media-type", "Content-Type is missing.", headers=offered)
    media_type, parameters = falcon.parse_header(header)
    if media_type.strip().lower() not in content_types:
        raise Problem("unsupported-media-type", f"Content-Type must be {' or '.join(content_types)}.", headers=offered)
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem("unsupported-media-type", "The charset must be UTF-8.", headers=offered)


def validate(model: type[M], document: Any) -> M:
    """Validate a parsed document by JSON's types: "1" is no number, 1 is no string, but a string can be a date.

    Raises:
        Problem: `invalid-request` with one `FieldError` for each fault.
    """
    if not isinstance(document, dict):
        raise invalid_request([FieldError("", "must be an object")])
    try:
        # From JSON because pydantic's strict mode takes dates and UUIDs as strings there and only there.
        return model.model_validate_json(orjson.dumps(document), strict=True)
    except ValidationError as error:
        raise invalid_request(field_errors(error, document)) from None


def invalid_request(errors: Sequence[FieldError]) -> Problem:
    """Make the problem for a body with these faults."""
    count = len(errors)
    return Problem("invalid-request", f"The body has {count} fault{'s' if count != 1 else ''}.", errors=errors)


def field_errors(error: ValidationError, document: Any) -> list[FieldError]:
    """Translate pydantic's faults, `MAX_ERRORS` at most, to JSON pointers into the document and plain words."""
    faults = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return [FieldError(_pointer(fault["loc"], document, fault["type"]), describe(fault)) for fault in faults]


def pointer_step(parent: str, name: str | int) -> str:
    """Extend a JSON pointer by one name or index, escaped (RFC 6901); an absurdly long one stays at its parent."""
    pointer = f"{parent}/{str(name).replace('~', '~0').replace('/', '~1')}"
    return pointer if len(pointer) <= MAX_POINTER else parent


def _pointer(location: tuple[int | str, ...], document: Any, kind: str) -> str:
    pointer = ""
    here = document
    for depth, step in enumerate(location):
        is_item = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if is_item or (isinstance(here, dict) and step in here):
            here = here[step]
        elif not (kind == "missing" and depth == len(location) - 1):
            # Not a place in the document but pydantic's name for a union's branch or a key's schema.
            continue
        pointer = pointer_step(pointer, step)
    return pointer


def _object(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return _Repeated(name)


def _integer(digits: str) -> Any:
    # The length first: int() takes time quadratic in it, and refuses thousands of digits with an error of its own.
    if len(digits) <= 20 and (number := int(digits)) in _INTEGERS:
        return number
    return _Rejected("must be a whole number of at most 64 bits")


def _float(digits: str) -> Any:
    number = float(digits)
    return number if abs(number) != float("inf") else _Rejected("must be a number in the range of a 64-bit float")


def _constant(name: str) -> Any:
    return _Rejected(f"must not be {name}, which JSON does not have")


def _check(value: Any, pointer: str, levels: int, surrogates: bool) -> None:
    """Raise for the first rejected value, lone surrogate or too deep a nesting below `value`."""
    kind = type(value)
    if kind is str:
        if surrogates and _broken(value):
            raise _malformed_at(pointer, "must not contain a lone surrogate")
    elif kind is dict or kind is list:
        if levels == 0:
            raise _malformed_at(pointer, f"must not be nested deeper than {MAX_DEPTH} levels")
        if surrogates and kind is dict and any(map(_broken, value)):
            raise _malformed_at(pointer, "must not have a name with a lone surrogate")
        for step, child in value.items() if kind is dict else enumerate(value):
            _check(child, pointer_step(pointer, step), levels - 1, surrogates)
    elif kind is _Repeated:
        name = "\ufffd" if _broken(value.name) else value.name
        raise _malformed_at(pointer_step(pointer, name), value.detail)
    elif kind is _Rejected:
        raise _malformed_at(pointer, value.detail)


def _broken(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _malformed(detail: str) -> Problem:
    fault = detail[:1].lower() + detail[1:].rstrip(".")
    return Problem("malformed-json", detail, errors=[FieldError("", fault)])


def _malformed_at(pointer: str, detail: str) -> Problem:
    place = f"{pointer} {detail}." if pointer else f"The body {detail}."
    return Problem("malformed-json", place, errors=[FieldError(pointer, detail)])


def _too_large(limit: int) -> Problem:
    return Problem("body-too-large", f"The body must have at most {limit} bytes.")
