"""The values that no two users may share, in the form in which they are compared."""

import unicodedata
from functools import lru_cache
from typing import Literal

import idna

UniqueField = Literal["email", "external_id"]
"""The fields of a user whose values are unique; also their JSON pointers, without the slash."""


# Whoever folds a change asks for the addresses before and after it, for each index.
@lru_cache(maxsize=4096)
def comparable_email(address: str) -> str:
    """Return the form in which two addresses are the same: case-folded, NFC, the domain as Unicode.

    `Jo@EXAMPLE.org` and `jo@example.org` are one address, and so are `a@exämple.de` and `a@xn--exmple-cua.de`.
    """
    local, _, domain = address.rpartition("@")
    folded = domain.lower()
    if not folded.isascii() or "xn--" in folded:
        folded = _unicode_domain(domain)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold()) + "@" + folded


def _unicode_domain(domain: str) -> str:
    try:
        return idna.decode(idna.encode(domain, uts46=True))
    except idna.IDNAError:
        # Checked when it was registered; this is an address that a later IDNA table refuses.
        return unicodedata.normalize("NFC", domain.casefold())


def comparable(field: UniqueField, value: str) -> str:
    """Return the form in which two values of a unique field are compared."""
    return comparable_email(value) if field == "email" else value
