"""Tokens that are let in, and all those that are not."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from falcon.testing import ASGIConductor
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey

from runtime.tokens import MOST_TOKEN_BYTES, InvalidToken, actor_of
from tests.security import apps, tokens
from tests.security.tokens import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    READ,
    RSA,
    STRANGE_RSA,
    Issuer,
    claims,
    token,
)
from tests.unit.query_api.memory_directory import make_user

USER = f"/users/{make_user(1).id}"


def with_(**changed: Any) -> Callable[[], str]:
    return lambda: token(**changed)


def at(**seconds: float) -> Callable[[], str]:
    """Set times, in seconds from when the token is made: at the collection of the tests it is long before they run."""

    def mint() -> str:
        times: dict[str, Any] = {name: int(time.time()) + offset for name, offset in seconds.items()}
        return token(**times)

    return mint


def header(**changed: Any) -> Callable[[], str]:
    return lambda: token(header=changed)


def embedded_key() -> str:
    """Bring the key that the token is signed with along in its header."""
    own = ECKey.generate_key("P-256")
    head = {"alg": "ES256", "jwk": own.as_dict(private=False)}
    return jwt.encode(head, claims(), own, algorithms=["ES256"])


def symmetric(algorithm: str) -> Callable[[], str]:
    secret = OctKey.generate_key(512)
    return lambda: jwt.encode({"alg": algorithm, "kid": "ec"}, claims(), secret, algorithms=[algorithm])


def forge(head: bytes | dict[str, Any], payload: bytes = b"{}") -> Callable[[], str]:
    return lambda: tokens.forged(head, payload)


ACCEPTED: dict[str, Callable[[], str]] = {
    "RS256": with_(key=RSA),
    "ES256": with_(key=EC),
    "EdDSA": with_(key=ED),
    "one of several audiences": with_(aud=["other", AUDIENCE]),
    "not before now": at(nbf=0),
    "expired within the leeway": at(exp=-5),
    "from a clock that is ahead within the leeway": at(nbf=5, iat=5),
    "the type of RFC 9068": header(typ="at+jwt"),
    "a time with a fraction": at(exp=60.5),
    "more scopes than asked for": with_(scope=f"openid {READ} users:write"),
}

HOSTILE: dict[str, Callable[[], str]] = {
    "alg none": tokens.unsigned,
    "alg None": lambda: tokens.unsigned("None"),
    "alg ES256 without a signature": lambda: tokens.unsigned("ES256"),
    "HS256 with the RSA public key": tokens.signed_with_public_key,
    "HS256 with the EC public key": lambda: tokens.signed_with_public_key(EC),
    "HS256 with a secret": symmetric("HS256"),
    "HS512 with a secret": symmetric("HS512"),
    "RS512": lambda: jwt.encode({"alg": "RS512", "kid": "rsa"}, claims(), RSA, algorithms=["RS512"]),
    "PS256": lambda: jwt.encode({"alg": "PS256", "kid": "rsa"}, claims(), RSA, algorithms=["PS256"]),
    "RS256 with the id of the EC key": lambda: token(RSA, header={"kid": "ec"}),
    "a stranger's key under a known id": with_(key=STRANGE_RSA),
    "an id that nobody has": header(kid="unheard-of"),
    "an id that is a path": header(kid="../../../../dev/null"),
    "no id": lambda: jwt.encode({"alg": "ES256"}, claims(), EC),
    "its own key in the header": embedded_key,
    "a place to fetch its key from": lambda: token(STRANGE_RSA, header={"jku": "https://evil.example.org/jwks.json"}),
    "a critical header": header(crit=["kid"]),
    "the type of a logout token": header(typ="logout+jwt"),
    "another issuer": with_(iss="https://evil.example.org"),
    "an issuer that begins like ours": with_(iss=f"{ISSUER}.evil.example.org"),
    "no issuer": with_(iss=None),
    "a list of issuers": lambda: _any_claims(iss=[ISSUER]),
    "another audience": with_(aud="other"),
    "several other audiences": with_(aud=["other", "third"]),
    "no audience": with_(aud=None),
    "an empty list of audiences": with_(aud=[]),
    "expired": at(exp=-100),
    "no end": with_(exp=None),
    "an end that is a text": lambda: token(exp=str(int(time.time()) + 600)),
    "an end that is true": with_(exp=True),
    "an end that is not a number": lambda: _any_claims(exp=float("nan")),
    "an end at infinity": lambda: _any_claims(exp=float("inf")),
    "not yet valid": at(nbf=100),
    "issued in the future": at(iat=100),
    "no subject": with_(sub=None),
    "an empty subject": with_(sub=""),
    "a subject that is a number": with_(sub=7),
    "a subject with a line break": with_(sub="a\nb"),
    "half a character as its subject": lambda: _any_claims(sub="\ud800"),
    "a very long subject": with_(sub="x" * 256),
    "scopes as a list": with_(scope=[READ]),
    "a tampered header": lambda: tokens.tampered(0),
    "tampered claims": lambda: tokens.tampered(1),
    "a tampered signature": lambda: tokens.tampered(2),
    "a signature of another token": lambda: ".".join([*token().split(".")[:2], token(sub="other").split(".")[2]]),
    "a huge one": with_(padding="x" * MOST_TOKEN_BYTES),
    "deeply nested claims": forge({"alg": "ES256", "kid": "ec"}, b"[" * 3000),
    "a deeply nested header": forge(b'{"a":' * 1500),
    "a header that is a list": forge(b"[]"),
    "a header that is no JSON": forge(b"{"),
    "a header that is no UTF-8": forge(b"\xff\xfe"),
    "an id that is a list": forge({"alg": "ES256", "kid": ["ec"]}),
    "an algorithm that is a list": forge({"alg": ["ES256"], "kid": "ec"}),
    "claims that are a list": lambda: _signed(b"[]"),
    "claims that are no JSON": lambda: _signed(b"{"),
    "five parts, as if encrypted": lambda: "e30.e30.e30.e30.e30",
    "two parts": lambda: "e30.e30",
    "a comma and a second one": lambda: f"{token()}, Bearer {token()}",
    "blanks within": lambda: token().replace(".", " ."),
    "letters beyond ASCII": lambda: "é.é.é",
}


def _any_claims(**changed: Any) -> str:
    return _signed(json.dumps(claims(**changed)).encode())


def _signed(payload: bytes) -> str:
    return jws.serialize_compact({"alg": "ES256", "kid": "ec"}, payload, EC)


@pytest.mark.parametrize("name", ACCEPTED)
async def test_a_good_token_is_let_in(query: ASGIConductor, name: str) -> None:
    answer = await apps.ask(query, "GET", USER, ACCEPTED[name]())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_is_refused(query: ASGIConductor, name: str) -> None:
    hostile = HOSTILE[name]()
    for _ in range(2):  # also if it was seen before
        answer = await apps.ask(query, "GET", USER, hostile)
        assert answer.status_code == 401, answer.text
        assert answer.json["type"] == "urn:user-directory:problem:invalid-token"
        assert answer.headers["www-authenticate"].startswith('Bearer realm="user-directory", error="invalid_token"')
        assert not hostile or hostile not in answer.text


async def test_who_has_no_token_is_told_which_scope_to_ask_for(query: ASGIConductor) -> None:
    for sent in ({}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": token()}, {"Authorization": "Bearer"}):
        answer = await apps.ask(query, "GET", USER, headers=sent)
        assert answer.status_code == 401
        assert answer.json["type"] == "urn:user-directory:problem:token-required"
        # RFC 6750, 3.1: no error code for a request without a token.
        assert answer.headers["www-authenticate"] == 'Bearer realm="user-directory", scope="users:read"'


async def test_the_scheme_is_read_without_case_and_a_token_in_the_query_is_none(query: ASGIConductor) -> None:
    assert (await apps.ask(query, "GET", USER, headers={"Authorization": f"bEARER  {token()}"})).status_code == 200
    answer = await apps.ask(query, "GET", USER, query_string=f"access_token={token()}")
    assert answer.status_code == 401


@pytest.mark.parametrize("second", ["Bearer {}", "Basic dXNlcjpwYXNz", ""])
async def test_two_authorization_headers_are_refused(query: ASGIConductor, second: str) -> None:
    pair = [("Authorization", f"Bearer {token()}"), ("Authorization", second.format(token()))]
    for sent in (pair, pair[::-1]):
        answer = await query.simulate_get(USER, headers=sent)
        assert answer.status_code == 400
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_a_token_without_the_scope_is_told_which_it_lacks(query: ASGIConductor) -> None:
    for scope in ("", "users:write", "users:reading", "users", "USERS:READ", "users:read\tx", None):
        answer = await apps.ask(query, "GET", USER, token(scope=scope))
        assert answer.status_code == 403
        assert answer.json["type"] == "urn:user-directory:problem:insufficient-scope"
        assert answer.headers["www-authenticate"] == (
            'Bearer realm="user-directory", error="insufficient_scope", '
            'error_description="The token lacks the scope users:read.", scope="users:read"'
        )


async def test_a_token_is_let_in_no_longer_than_it_lasts_also_when_it_is_remembered(issuer: Issuer) -> None:
    access = issuer.access(leeway=0)
    await access.keys.start()
    now = float(int(time.time()))
    verifier = access._verifier
    verifier._clock = lambda: now  # the registry reads the same clock
    verifier._claims._now = lambda: int(now)
    short = token(exp=int(now) + 10).encode()
    assert verifier.remembered(short) is None
    assert (await verifier.verify(short)).scopes == {READ}
    now += 9
    assert verifier.remembered(short) is not None
    now += 1
    assert verifier.remembered(short) is None
    with pytest.raises(InvalidToken, match="expired"):
        await verifier.verify(short)
    await access.keys.close()


async def test_what_is_remembered_is_bounded(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tokens.MOST_REMEMBERED", 3)
    access = issuer.access()
    await access.keys.start()
    sent = [token(sub=f"client-{number}").encode() for number in range(5)]
    for one in sent:
        await access._verifier.verify(one)
    assert [access._verifier.remembered(one) is not None for one in sent] == [False, False, True, True, True]
    await access.keys.close()


@pytest.mark.parametrize("subject", ["client-1", "auth0|123", "0192d3a0-5b6c-7def-8123-456789abcdef", "a" * 255])
def test_an_opaque_subject_is_the_actor(subject: str) -> None:
    assert actor_of(ISSUER, subject) == subject


@pytest.mark.parametrize("subject", ["jo@example.org", "Jo Doe", "Zoë"])
def test_a_subject_that_may_name_a_person_is_replaced_for_good(subject: str) -> None:
    actor = actor_of(ISSUER, subject)
    assert uuid.UUID(actor).version == 5
    assert actor == actor_of(ISSUER, subject) != actor_of("https://other.example.org", subject)
