"""An issuer of tokens for the tests, which also makes those that no honest issuer makes."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from runtime.access import Access
from runtime.token_keys import KeyFile, TokenKeys
from runtime.tokens import TokenVerifier

ISSUER, AUDIENCE = "https://issuer.example.org", "user-directory"
READ, WRITE, ERASE, ADMIN = "users:read", "users:write", "users:erase", "users:admin"
AnyKey = RSAKey | ECKey | OKPKey

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGE_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
ALGORITHMS = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def encoded(part: bytes | dict[str, Any]) -> bytes:
    """Write one part of a token."""
    return base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=")


def claims(**changed: Any) -> dict[str, Any]:
    """Return what a good token says, with some claims changed; None leaves one out."""
    now = int(time.time())
    good: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "client-1", "scope": READ, "iat": now}
    good["exp"] = now + 600
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(key: AnyKey = EC, header: dict[str, Any] | None = None, **changed: Any) -> str:
    """Mint a token that is good but for what is changed."""
    algorithm = next(name for name, known in ALGORITHMS.items() if isinstance(key, type(known)))
    head = {"alg": algorithm, "kid": key.kid, **(header or {})}
    return jwt.encode(
        head, claims(**changed), key, registry=JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    )


def forged(header: bytes | dict[str, Any], payload: bytes = b"{}") -> str:
    """Write a token with a made-up signature."""
    return (encoded(header) + b"." + encoded(payload) + b".AAAA").decode()


def unsigned(algorithm: str = "none") -> str:
    """Mint a token without a signature."""
    return (encoded({"alg": algorithm, "kid": "ec"}) + b"." + encoded(claims()) + b".").decode()


def signed_with_public_key(key: AnyKey = RSA) -> str:
    """Mint a token whose HMAC has the public key, which everybody knows, as its secret."""
    signed = encoded({"alg": "HS256", "kid": key.kid}) + b"." + encoded(claims())
    secret = key.as_pem(private=False)
    return (signed + b"." + encoded(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def tampered(part: int) -> str:
    """Change what a good token says after it was signed: its header, its claims or its signature."""
    parts = token().split(".")
    if part == 1:
        parts[1] = encoded(claims(scope=f"{READ} {WRITE} {ADMIN}")).decode()
    elif part == 0:
        parts[0] = encoded({"alg": "ES256", "kid": "ec", "typ": "JWT", "x": 1}).decode()
    else:
        parts[2] = ("A" if parts[2][0] != "A" else "B") + parts[2][1:]
    return ".".join(parts)


@dataclass
class Issuer:
    """A JWK set in a file, and what checks tokens with it."""

    file: Path
    keys: list[AnyKey] = field(default_factory=lambda: [RSA, EC, ED])

    def publish(self, *keys: AnyKey) -> None:
        """Replace the set."""
        self.keys = list(keys) or self.keys
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}))
        unfinished.replace(self.file)

    def access(self, refresh_seconds: float = 3600, leeway: int = 30) -> Access:
        """Return what lets in those who have a token of this issuer."""
        self.publish()
        keys = TokenKeys(KeyFile(str(self.file)), refresh_seconds)
        return Access(keys, TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, leeway_seconds=leeway))

    def settings(self) -> dict[str, str]:
        """Return the variables of a process that accepts this issuer's tokens."""
        self.publish()
        return {
            "AUTH": "on",
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS_FILE": str(self.file),
        }
