"""The conditional request headers of writes (RFC 9110, section 13)."""

import re

from command_api.commands import IfMatch

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


class InvalidPrecondition(ValueError):
    """The header is not what RFC 9110 allows."""


def parse_if_match(header: str | None) -> IfMatch:
    """Return the versions that an If-Match header accepts; a weak or foreign tag matches none.

    Raises:
        InvalidPrecondition: not a list of entity tags.
    """
    if header is None:
        return None
    if header.strip() == "*":
        return "*"
    versions = set()
    for part in header.split(","):
        tag = _ENTITY_TAG.fullmatch(part.strip())
        if tag is None:
            raise InvalidPrecondition('must be * or a list of entity tags such as "3"')
        if not tag[1] and tag[2].isascii() and tag[2].isdecimal() and len(tag[2]) < 16:
            versions.add(int(tag[2]))
    return frozenset(versions)
