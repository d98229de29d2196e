"""Bearer tokens: JSON Web Tokens (RFC 7519, 9068) of one issuer for one audience.

docs/adr/0601-tokens-are-checked-with-joserfc.md has the comparison of the libraries.
"""

import json
import re
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError, SecurityWarning
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from runtime.token_keys import TokenKeys

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
MOST_TOKEN_BYTES: Final = 8192
MOST_REMEMBERED: Final = 10_000

_SHAPE: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_MOST_SUBJECT: Final = 255
_OPAQUE: Final = re.compile(r"[A-Za-z0-9._:|/+=~-]{1,255}")

# RFC 9864 gives this algorithm another name; issuers write this one.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)


class InvalidToken(Exception):
    """The token is not accepted; `reason` is one of a few words, the message repeats nothing of the token."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an opaque id, and what it may do until a time (seconds since 1970)."""

    actor: str
    scopes: frozenset[str]
    until: float


class TokenVerifier:
    """Check tokens; one that was accepted is remembered by its hash until it expires or the keys change."""

    def __init__(
        self,
        keys: TokenKeys,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._leeway = leeway_seconds
        self._clock = clock
        self._registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        self._registry.max_header_length = MOST_TOKEN_BYTES
        self._claims = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=leeway_seconds,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._remembered: dict[bytes, Principal] = {}
        self._remembered_with = keys.changes

    def remembered(self, token: bytes) -> Principal | None:
        """Return whose token this is if that was found out before and still holds."""
        self._forget_those_of_other_keys()
        principal = self._remembered.get(sha256(token).digest())
        return None if principal is None or principal.until <= self._clock() else principal

    async def verify(self, token: bytes) -> Principal:
        """Check a token.

        Raises:
            InvalidToken: it is not accepted.
            KeysUnavailable: there are no keys yet to check it with.
        """
        if len(token) > MOST_TOKEN_BYTES:
            raise InvalidToken("malformed", f"The token is longer than {MOST_TOKEN_BYTES} bytes.")
        if _SHAPE.fullmatch(token) is None:
            raise InvalidToken("malformed", "The token is no JSON Web Token.")
        header = _header(token)
        key_id, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS:
            raise InvalidToken("algorithm", f"The token must be signed with {', '.join(ALGORITHMS)}.")
        if str(header.get("typ", "jwt")).lower() not in _TYPES or "crit" in header:
            raise InvalidToken("malformed", "The token is of another type than an access token.")
        if not isinstance(key_id, str | None):
            raise InvalidToken("malformed", "The token's header is not valid.")
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise InvalidToken("key", "The token is signed with a key that the issuer does not have.")
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm], registry=self._registry).claims
        except (JoseError, ValueError, RecursionError):
            raise InvalidToken("signature", "The token's signature is not valid.") from None
        principal = self._principal(claims)
        self._remember(token, principal)
        return principal

    def _principal(self, claims: dict[str, Any]) -> Principal:
        try:
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise InvalidToken("expired", "The token has expired.") from None
        except MissingClaimError as error:
            raise InvalidToken("claims", f"The token lacks {error.claim}.") from None
        except ClaimError as error:
            raise InvalidToken("claims", f"The token's {error.claim} is not one that is accepted here.") from None
        subject, scope = claims["sub"], claims.get("scope", "")
        if len(subject) > _MOST_SUBJECT or not subject.isprintable():
            raise InvalidToken("claims", "The token's sub is not one that is accepted here.")
        if not isinstance(scope, str):
            raise InvalidToken("claims", "The token's scope must be one text of words.")
        return Principal(
            actor_of(self._issuer, subject), frozenset(scope.split(" ")) - {""}, claims["exp"] + self._leeway
        )

    def _forget_those_of_other_keys(self) -> None:
        if self._remembered_with != self._keys.changes:
            self._remembered.clear()
            self._remembered_with = self._keys.changes

    def _remember(self, token: bytes, principal: Principal) -> None:
        self._forget_those_of_other_keys()
        while len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[sha256(token).digest()] = principal


def actor_of(issuer: str, subject: str) -> str:
    """Return the id under which a subject is known in the log, which keeps it for ever.

    It is the subject itself if that is opaque. One that may be an address or a name is replaced by a UUIDv5 of issuer
    and subject.
    """
    return subject if _OPAQUE.fullmatch(subject) else str(uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}#{subject}"))


def _header(token: bytes) -> dict[str, Any]:
    try:
        header = json.loads(urlsafe_b64decode(token.partition(b".")[0]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise InvalidToken("malformed", "The token's header is not valid.")
    return header
