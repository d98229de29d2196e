"""Who is let in: a middleware that asks every request for a token with the scope of its operation (RFC 6750)."""

from typing import Any, Final

import falcon.asgi

from runtime import context, metrics
from runtime.access_table import OPEN_PATHS, scope_of
from runtime.observation import Request
from runtime.problems import Problem
from runtime.settings import AuthSettings, is_loopback
from runtime.startup import StartupError
from runtime.token_keys import KeyFile, KeySource, KeysUnavailable, KeyUrl, TokenKeys
from runtime.tokens import InvalidToken, Principal, TokenVerifier

_REALM: Final = 'Bearer realm="user-directory"'
_SCHEME: Final = b"bearer "


class Access:
    """Falcon middleware. A route that the table does not know is closed to everybody.

    It runs once the route is known, so a path that does not exist is answered 404 to anyone.
    """

    def __init__(self, keys: TokenKeys, verifier: TokenVerifier) -> None:
        """Take the keys, which have to be started and closed, and who checks tokens with them."""
        self.keys: Final = keys
        self._verifier = verifier

    async def process_resource(
        self, req: Request, _resp: falcon.asgi.Response, resource: object, _params: dict[str, Any]
    ) -> None:
        """Let the request pass, and note who asks.

        Raises:
            Problem: it may not pass.
        """
        path = req.uri_template
        if path in OPEN_PATHS:
            return
        # A pipelined request inherits the context of the one before it.
        context.actor.set("")
        scope = scope_of(req.method, path)
        token = _token(req, scope)
        principal = self._verifier.remembered(token) or await self._verified(token)
        context.actor.set(principal.actor)
        context.access_ends.set(principal.until)
        if scope in principal.scopes:
            return
        if not _responds(resource, req.method):
            return  # Falcon's to answer: 405, or what OPTIONS asks for
        raise _refusal("scope", "insufficient-scope", _scope_detail(scope), "insufficient_scope", scope)

    def remembered(self, token: bytes, scope: str | None) -> Principal | None:
        """Return whose token this is if it was accepted before and has the scope."""
        principal = self._verifier.remembered(token)
        return principal if principal is not None and scope in principal.scopes else None

    async def _verified(self, token: bytes) -> Principal:
        try:
            return await self._verifier.verify(token)
        except InvalidToken as invalid:
            raise _refusal(invalid.reason, "invalid-token", str(invalid), "invalid_token") from None
        except KeysUnavailable as unavailable:
            metrics.ACCESS_REFUSALS.labels("no-keys").inc()
            raise Problem("service-unavailable", str(unavailable)) from None


def access_of(settings: AuthSettings) -> Access | None:
    """Make what lets requests in as the settings say; None: everybody is let in.

    Raises:
        StartupError: the settings do not say who is let in.
    """
    if settings.auth == "off":
        return None
    issuer, audience = settings.auth_issuer, settings.auth_audience
    source = _source(settings)
    missing = [name for name, value in (("AUTH_ISSUER", issuer), ("AUTH_AUDIENCE", audience)) if not value]
    if source is None:
        missing.append("AUTH_JWKS_URL or AUTH_JWKS_FILE")
    if source is None or not issuer or not audience:
        raise StartupError(
            f"nobody could be let in: set {', '.join(missing)} to those of the tokens' issuer, "
            "or AUTH=off to let everybody in"
        )
    keys = TokenKeys(source, settings.auth_jwks_refresh_seconds if settings.auth_jwks_url else 1.0)
    verifier = TokenVerifier(keys, issuer=issuer, audience=audience, leeway_seconds=settings.auth_leeway_seconds)
    return Access(keys, verifier)


def check(settings: AuthSettings, host: str) -> None:
    """Check what the settings say about access, before the process serves on this address.

    Raises:
        StartupError: they let nobody in, or everybody from everywhere without saying so twice.
    """
    access = access_of(settings)
    if access is None:
        if not is_loopback(host) and not settings.auth_off_on_any_address:
            raise StartupError(
                f"AUTH=off would let everybody in who reaches {host}: listen on 127.0.0.1, set up AUTH_ISSUER, "
                "AUTH_AUDIENCE and AUTH_JWKS_URL, or set AUTH_OFF_ON_ANY_ADDRESS=true"
            )
    elif settings.auth_jwks_file:
        try:
            access.keys.check()
        except KeysUnavailable as error:
            raise StartupError(f"AUTH_JWKS_FILE cannot be used: {error}; put the issuer's keys there") from error


def _source(settings: AuthSettings) -> KeySource | None:
    if settings.auth_jwks_url and settings.auth_jwks_file:
        raise StartupError("AUTH_JWKS_URL and AUTH_JWKS_FILE are both set: unset one of them")
    if settings.auth_jwks_file:
        return KeyFile(settings.auth_jwks_file)
    if settings.auth_jwks_url is None:
        return None
    try:
        return KeyUrl(settings.auth_jwks_url, settings.auth_jwks_ca_file)
    except OSError as error:
        raise StartupError(
            f"AUTH_JWKS_CA_FILE {settings.auth_jwks_ca_file} cannot be used ({error.strerror or error}): "
            "name a PEM file of certificates or unset it"
        ) from error


def _token(req: Request, scope: str | None) -> bytes:
    """Return the bearer token of a request.

    Raises:
        Problem: there is none, or more than one.
    """
    # Falcon gives the last of several; a proxy before us may have judged by the first.
    found = [value for name, value in req.scope["headers"] if name == b"authorization"]
    if len(found) == 1 and found[0][: len(_SCHEME)].lower() == _SCHEME:
        token: bytes = found[0][len(_SCHEME) :].strip(b" ")
        return token
    if len(found) > 1:
        detail = "Only one Authorization header is allowed."
        raise _refusal("repeated", "authorization-repeated", detail, "invalid_request")
    raise _refusal("missing", "token-required", "The Authorization header has no bearer token.", None, scope)


def _responds(resource: object, method: str) -> bool:
    """Say whether a resource has any responder for a method, HEAD being answered by that of GET."""
    responder = "on_get" if method == "HEAD" else f"on_{method.lower()}"
    return any(name.startswith(responder) for name in dir(resource))


def _scope_detail(scope: str | None) -> str:
    return "Nobody may carry out this operation." if scope is None else f"The token lacks the scope {scope}."


def _refusal(reason: str, slug: str, detail: str, error: str | None, scope: str | None = None) -> Problem:
    metrics.ACCESS_REFUSALS.labels(reason).inc()
    parts = [_REALM]
    if error is not None:
        parts.append(f'error="{error}", error_description="{detail}"')
    if scope is not None:
        parts.append(f'scope="{scope}"')
    return Problem(slug, detail, headers={"WWW-Authenticate": ", ".join(parts)})
