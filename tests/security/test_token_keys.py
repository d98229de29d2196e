"""The issuer's keys: rotated, missing, hostile, and an issuer that is down."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from runtime.token_keys import FORCED_REFRESH_SECONDS, KeysUnavailable, KeyUrl, TokenKeys, parse
from tests.security import apps
from tests.security.tokens import EC, ED, RSA, AnyKey, Issuer, token
from tests.unit.query_api.memory_directory import make_user

USER = f"/users/{make_user(1).id}"
NEW = ECKey.generate_key("P-256", {"kid": "new"})


def jwks(*keys: AnyKey | OctKey, **more: Any) -> bytes:
    return json.dumps({"keys": [{**key.as_dict(private=False), **more} for key in keys]}).encode()


class Source:
    """A source that counts how often it is read, and may be down or slow."""

    def __init__(self, content: bytes) -> None:
        self.content: bytes | None = content
        self.reads = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def read(self) -> bytes:
        self.reads += 1
        assert self.go_on.wait(10)
        if self.content is None:
            raise KeysUnavailable("down")
        return self.content


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def started(source: Source, clock: Callable[[], float], refresh_seconds: float = 3600) -> TokenKeys:
    keys = TokenKeys(source, refresh_seconds, clock)
    await keys.start()
    return keys


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.005)


async def test_a_new_key_is_looked_for_once_by_all_who_bring_it() -> None:
    source, clock = Source(jwks(EC)), Clock()
    keys = await started(source, clock)
    source.content = jwks(EC, NEW)
    source.go_on.clear()
    asking = [asyncio.create_task(keys.find("new", "ES256")) for _ in range(50)]
    await eventually(lambda: source.reads == 2)
    source.go_on.set()
    found = await asyncio.gather(*asking)
    assert all(found)
    assert source.reads == 2
    await keys.close()


async def test_key_ids_that_are_made_up_cause_one_look_in_ten_seconds() -> None:
    source, clock = Source(jwks(EC)), Clock()
    keys = await started(source, clock)
    for number in range(100):
        assert await keys.find(f"made-up-{number}", "ES256") is None
    assert source.reads == 2
    clock.now += FORCED_REFRESH_SECONDS
    assert await keys.find("made-up", "ES256") is None
    assert source.reads == 3
    await keys.close()


async def test_a_caller_who_leaves_does_not_end_the_look_of_the_others() -> None:
    source, clock = Source(jwks(EC)), Clock()
    keys = await started(source, clock)
    source.content = jwks(EC, NEW)
    source.go_on.clear()
    first, second = (asyncio.create_task(keys.find("new", "ES256")) for _ in range(2))
    await eventually(lambda: source.reads == 2)
    first.cancel()
    source.go_on.set()
    assert await second is not None
    await keys.close()


async def test_keys_are_kept_while_the_issuer_is_down_or_talks_nonsense() -> None:
    source, clock = Source(jwks(EC)), Clock()
    keys = await started(source, clock, refresh_seconds=0.01)
    for broken in (
        None,
        b"<html>",
        b'{"keys": []}',
        b"[]",
        b'{"keys": 7}',
        b'{"keys": [[]]}',
        jwks(OctKey.generate_key()),
    ):
        source.content, before = broken, source.reads
        await eventually(lambda before=before: source.reads >= before + 2)  # type: ignore[misc]
        assert await keys.find("ec", "ES256") is not None
        assert await keys.not_ready_because() is None
    source.content = jwks(NEW)
    await eventually(lambda: keys.changes == 2)
    assert await keys.find("new", "ES256") is not None
    await keys.close()


async def test_without_any_keys_nobody_is_refused_for_good_and_the_process_is_not_ready() -> None:
    source, clock = Source(b""), Clock()
    keys = await started(source, clock)
    assert await keys.not_ready_because() == "no keys to check tokens with"
    with pytest.raises(KeysUnavailable):
        await keys.find("ec", "ES256")
    source.content = jwks(EC)
    await eventually(lambda: keys.changes == 1)
    assert await keys.not_ready_because() is None
    await keys.close()


async def test_a_service_without_keys_answers_503(issuer: Issuer) -> None:
    app = apps.query(issuer)
    issuer.file.unlink()
    async with apps.client(app) as client:
        answer = await apps.ask(client, "GET", USER, token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await apps.ask(client, "GET", "/readyz")).status_code == 503
        issuer.publish()
        async with asyncio.timeout(10):
            while (await apps.ask(client, "GET", "/readyz")).status_code != 200:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.05)
        assert (await apps.ask(client, "GET", USER, token())).status_code == 200


async def test_a_key_that_was_rotated_out_lets_nobody_in_even_who_was_let_in_before(issuer: Issuer) -> None:
    async with apps.client(apps.query(issuer)) as client:
        old, new = token(EC), token(NEW)
        assert (await apps.ask(client, "GET", USER, old)).status_code == 200
        issuer.publish(NEW)
        async with asyncio.timeout(10):
            while (await apps.ask(client, "GET", USER, new)).status_code != 200:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.05)
        assert (await apps.ask(client, "GET", USER, old)).status_code == 401


UNUSABLE: dict[str, bytes] = {
    "symmetric": jwks(OctKey.generate_key(256, {"kid": "ec"})),
    "a short RSA key": jwks(RSAKey.generate_key(1024, {"kid": "rsa"})),
    "another curve": jwks(ECKey.generate_key("P-384", {"kid": "ec"})),
    "the other Edwards curve": jwks(OKPKey.generate_key("Ed448", {"kid": "ed"})),
    "for encryption": jwks(RSA, use="enc"),
    "for another algorithm": jwks(RSA, alg="RS512"),
    "for HMAC by its public key": jwks(RSA, alg="HS256"),
    "for signing only": jwks(RSA, key_ops=["sign"]),
    "an id that is no text": jwks(RSA, kid=7),
    "a point that is not on the curve": jwks(EC, y=EC.as_dict(private=False)["x"]),
    "without its numbers": b'{"keys": [{"kty": "RSA", "kid": "rsa"}]}',
    "numbers that are no text": b'{"keys": [{"kty": "EC", "crv": "P-256", "x": 1, "y": [], "kid": "ec"}]}',
    "a kind that is a list": b'{"keys": [{"kty": ["RSA"]}]}',
    "nested too deeply": b'{"keys":' + b"[" * 100_000,
    "too long": b" " * (1 << 20) + jwks(EC),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_cannot_be_trusted_is_left_out(name: str) -> None:
    with pytest.raises(KeysUnavailable):
        parse(UNUSABLE[name])


def test_usable_keys_are_found_among_others_and_the_first_of_a_name_counts() -> None:
    other = ECKey.generate_key("P-256", {"kid": "ec"})
    content = json.loads(jwks(EC, ED, RSA, other))
    content["keys"] += [json.loads(UNUSABLE["symmetric"])["keys"][0], "nonsense", None]
    found = parse(json.dumps(content).encode())
    assert set(found) == {("ec", "ES256"), ("ed", "EdDSA"), ("rsa", "RS256")}
    assert found["ec", "ES256"].as_dict(private=False)["x"] == EC.as_dict(private=False)["x"]


def test_a_private_key_in_the_set_is_taken_for_its_public_part_only() -> None:
    content = json.dumps({"keys": [EC.as_dict(private=True)]}).encode()
    assert not parse(content)["ec", "ES256"].is_private


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = {"/jwks": (200, jwks(EC)), "/moved": (302, b""), "/error": (500, b"")}.get(
            self.path, (200, b" " * (2 << 20))
        )
        self.send_response(status)
        self.send_header("Location", "/jwks")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def https(authority: trustme.CA) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_keys_are_fetched_from_an_issuer_whose_authority_is_named(
    https: str, authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    content = KeyUrl(f"{https}/jwks", str(file)).read()
    assert content is not None
    assert set(parse(content)) == {("ec", "ES256")}
    for path in ("/moved", "/error", "/endless"):
        with pytest.raises(KeysUnavailable):
            KeyUrl(f"{https}{path}", str(file)).read()


def test_an_issuer_with_a_certificate_of_nobody_is_not_believed(https: str) -> None:
    with pytest.raises(KeysUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        KeyUrl(f"{https}/jwks").read()


def test_an_issuer_that_does_not_answer_is_given_up_in_time(unused_tcp_port: int) -> None:
    with pytest.raises(KeysUnavailable):
        KeyUrl(f"http://127.0.0.1:{unused_tcp_port}/jwks").read()
