"""The local stack's own issuer of tokens: a key pair and its JWK set, in the folder `auth` of the stack."""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey

from devstack.errors import DevstackError

ISSUER: Final = "https://devstack.invalid"
AUDIENCE: Final = "user-directory"
_ALGORITHM: Final = "ES256"


@dataclass(frozen=True)
class Issuer:
    """Makes tokens that a stack with AUTH=on accepts."""

    directory: Path
    """The stack's; the key pair is made in it when it is first needed."""

    @property
    def jwks_file(self) -> Path:
        """Name the file with the public key."""
        return self.directory / "auth" / "public" / "jwks.json"

    def prepare(self) -> None:
        """Make the key pair if there is none.

        Raises:
            DevstackError: the directory cannot be written.
        """
        self._key()

    def settings(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return what the processes are told of this issuer, unless they have another one."""
        if environ.get("AUTH_JWKS_URL"):
            return {}
        return {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_JWKS_FILE": str(self.jwks_file)}

    def token(self, scopes: Sequence[str], *, subject: str, seconds: int, environ: Mapping[str, str]) -> str:
        """Mint a token for a time from now."""
        key, now = self._key(), int(time.time())
        claims = {
            "iss": environ.get("AUTH_ISSUER", ISSUER),
            "aud": environ.get("AUTH_AUDIENCE", AUDIENCE),
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({"alg": _ALGORITHM, "typ": "at+jwt", "kid": key.kid}, claims, key)

    def _key(self) -> ECKey:
        private = self.directory / "auth" / "private.json"
        try:
            if not private.exists():
                self.jwks_file.parent.mkdir(parents=True, exist_ok=True)
                made = ECKey.generate_key("P-256", {"alg": _ALGORITHM, "use": "sig"}, auto_kid=True)
                _write(self.jwks_file, {"keys": [made.as_dict(private=False)]}, 0o644)
                _write(private, made.as_dict(private=True), 0o600)
            return ECKey.import_key(json.loads(private.read_text()))
        except OSError as error:
            raise DevstackError(
                f"{private.parent} cannot be used for keys ({error.strerror}): make it writable, or name another "
                "folder in DEVSTACK_DIR"
            ) from error


def _write(path: Path, content: Mapping[str, object], mode: int) -> None:
    """Put a file in its place as a whole, never readable to more than it should be."""
    unfinished = path.with_suffix(".tmp")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        json.dump(content, file)
    unfinished.replace(path)
