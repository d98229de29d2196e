"""The public keys that tokens are signed with: a JWK set (RFC 7517) from a URL or a file, renewed while we run.

Keys are kept while their source is down: an issuer that is being restarted locks nobody out.
"""

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from runtime import metrics

Key = RSAKey | ECKey | OKPKey
Keys = Mapping[tuple[str | None, str], Key]
"""By key id, None where the set names none, and by the one algorithm that the key is used with."""

FORCED_REFRESH_SECONDS: Final = 10.0
"""The least time between two looks for a key that is not known: whoever makes key ids up causes no more than that."""

_FETCH_SECONDS: Final = 3.0
_MOST_BYTES: Final = 1 << 20
_LEAST_RSA_BITS: Final = 2048
_PUBLIC: Final = frozenset({"kty", "crv", "n", "e", "x", "y"})
_CURVES: Final[Mapping[tuple[str, str], tuple[str, type[ECKey | OKPKey]]]] = {
    ("EC", "P-256"): ("ES256", ECKey),
    ("OKP", "Ed25519"): ("EdDSA", OKPKey),
}

log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """The source cannot be read, or holds no key that can be used; the message says why."""


class KeySource(Protocol):
    """Where the keys come from."""

    def read(self) -> bytes | None:
        """Return the JWK set, or None if it is the one of the last call; may block for a few seconds.

        Raises:
            KeysUnavailable: it cannot be read.
        """


class KeyFile:
    """A JWK set in a file; a new one may be moved to its place, as Kubernetes does it with secrets."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> bytes | None:
        """Read the file if it is another one or was written since."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return None
            with self._path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except OSError as error:
            self._seen = None
            raise KeysUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        self._seen = seen
        return content


class KeyUrl:
    """A JWK set behind a URL, as issuers publish it."""

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        """Take the URL and, for an issuer with a certificate of its own, the file of the authority's.

        Raises:
            OSError: there is no such file.
        """
        self._request = Request(url, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310 - the settings take https, and http on loopback
        # A redirection could lead away from https.
        self._opener = build_opener(HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)), _NoRedirection)

    def read(self) -> bytes | None:
        """Fetch the set within a few seconds."""
        deadline = time.monotonic() + _FETCH_SECONDS
        content = bytearray()
        try:
            with self._opener.open(self._request, timeout=_FETCH_SECONDS) as answer:
                while piece := answer.read1(65_536):
                    content += piece
                    if len(content) > _MOST_BYTES or time.monotonic() > deadline:
                        raise KeysUnavailable("the issuer's answer is too long or too slow")
        except URLError as error:
            raise KeysUnavailable(f"the issuer does not answer: {error.reason}") from error
        except (OSError, ValueError) as error:
            raise KeysUnavailable(f"the issuer does not answer: {type(error).__name__}") from error
        return bytes(content)


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class TokenKeys:
    """The current keys; `changes` counts how often they became others."""

    def __init__(self, source: KeySource, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._keys: Keys = {}
        self._content = b""
        self._failing = False
        self._refresh: asyncio.Task[None] | None = None
        self._forced_at = -FORCED_REFRESH_SECONDS
        self._task: asyncio.Task[None] | None = None
        self.changes = 0

    def check(self) -> None:
        """Read the keys once, to no other end.

        Raises:
            KeysUnavailable: that cannot be done.
        """
        parse(self._source.read() or b"")

    async def start(self) -> None:
        """Read the keys, and go on reading them. A source that is down is tried again; until then nobody gets in."""
        await self._refreshed()
        self._task = asyncio.create_task(self._run(), name="token-keys")

    async def close(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def not_ready_because(self) -> str | None:
        """Say why no token can be checked, if that is so."""
        return None if self._keys else "no keys to check tokens with"

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return a key; one that is not known is looked for at its source, by one task for all who ask.

        Raises:
            KeysUnavailable: there are no keys at all yet.
        """
        key = self._keys.get((key_id, algorithm))
        if key is not None:
            return key
        if self._refresh is not None or self._clock() - self._forced_at >= FORCED_REFRESH_SECONDS:
            if self._refresh is None:
                self._forced_at = self._clock()
            await self._refreshed()
        if not self._keys:
            raise KeysUnavailable("There are no keys yet to check tokens with.")
        return self._keys.get((key_id, algorithm))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds if self._keys else min(1.0, self._refresh_seconds))
            await self._refreshed()

    async def _refreshed(self) -> None:
        """Wait for a look at the source, the one that is under way or a new one."""
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._look(), name="token-keys-refresh")
            self._refresh.add_done_callback(self._looked)
        # Whoever gives up must not end it for the others.
        await asyncio.shield(self._refresh)

    def _looked(self, _: asyncio.Task[None]) -> None:
        self._refresh = None

    async def _look(self) -> None:
        try:
            content = await asyncio.to_thread(self._source.read)
            if content is not None and content != self._content:
                self._keys, self._content = parse(content), content
                self.changes += 1
                log.info("token keys read", extra={"keys": len(self._keys)})
        except KeysUnavailable as error:
            metrics.TOKEN_KEY_FAILURES.inc()
            if not self._failing:
                log.warning("token keys not read", extra={"reason": str(error), "kept": len(self._keys)})
            self._failing = True
        else:
            self._failing = False


def parse(content: bytes) -> Keys:
    """Take the keys that tokens may be signed with out of a JWK set; all others are left out (RFC 7517, 5).

    Raises:
        KeysUnavailable: it is no JWK set, or there is no such key in it.
    """
    if len(content) > _MOST_BYTES:
        raise KeysUnavailable("the JWK set is too long")
    try:
        members = json.loads(content)["keys"]
        found = [one for member in members if isinstance(member, dict) and (one := _key(member)) is not None]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeysUnavailable("what was read is no JWK set") from None
    if not found:
        raise KeysUnavailable("the JWK set has no RSA key of 2048 bits or more, P-256 key or Ed25519 key")
    # Of two with the same name the first counts.
    return dict(reversed(found))


def _key(member: dict[str, Any]) -> tuple[tuple[str | None, str], Key] | None:
    """Read one member of a JWK set; None: it is nothing that a token may be signed with."""
    kind, key_id = member.get("kty"), member.get("kid")
    if member.get("use", "sig") != "sig" or not isinstance(key_id, str | None) or not isinstance(kind, str):
        return None
    if "verify" not in member.get("key_ops", ["verify"]):
        return None
    # A private key would do as well, but what the set is for is in its public members.
    public = {name: value for name, value in member.items() if name in _PUBLIC}
    key: Key
    try:
        if kind == "RSA":
            algorithm, key = "RS256", RSAKey.import_key(public)
            if key.raw_value.key_size < _LEAST_RSA_BITS:
                return None
        elif (found := _CURVES.get((kind, str(member.get("crv"))))) is not None:
            algorithm, key = found[0], found[1].import_key(public)
        else:
            return None
        key.get_op_key("verify")  # joserfc makes the key when it is first used
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if member.get("alg", algorithm) != algorithm else ((key_id, algorithm), key)
