"""The processes as shipped, with tokens asked for."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devstack.tokens import Issuer as DevstackIssuer
from tests.e2e.people import person
from tests.e2e.processes import another
from tests.security.tokens import READ, WRITE, Issuer, token
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


@pytest.fixture(scope="module")
def guarded(kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("guarded")
    settings = Issuer(directory / "jwks.json").settings() | {"AUTH_LEEWAY_SECONDS": "0"}
    with running_stack(kafka_bootstrap, redis_url, directory, **settings) as stack:
        yield stack


def client(url: str, minted: str | None = None) -> httpx.Client:
    headers = {} if minted is None else {"Authorization": f"Bearer {minted}"}
    return httpx.Client(base_url=url, headers=headers, timeout=15, trust_env=False)


def test_the_subject_of_the_token_is_the_actor_in_the_history(guarded: Stack) -> None:
    with client(guarded.command_url, token(scope=WRITE, sub="client-7")) as writer:
        made = writer.post("/users", json=person())
        assert made.status_code == 201, made.text
    headers = {"Consistency-Token": made.headers["Consistency-Token"], "Prefer": "wait=5"}
    with client(guarded.query_url, token(scope=READ)) as reader:
        history = reader.get(f"/users/{made.json()['id']}/history", headers=headers).json()
    assert [entry["actor"] for entry in history["items"]] == ["client-7"]
    with client(guarded.query_url) as nobody:
        assert nobody.get(f"/users/{made.json()['id']}").status_code == 401
        assert nobody.get("/readyz").status_code == 200


def test_an_idempotency_key_is_its_callers_own(guarded: Stack) -> None:
    # Joined without care, `a:b` and `c` would be the key of `a` and `b:c`.
    first, second = person(), person()
    with client(guarded.command_url, token(scope=WRITE, sub="a:b")) as one:
        made = one.post("/users", json=first, headers={"Idempotency-Key": "c"})
        again = one.post("/users", json=first, headers={"Idempotency-Key": "c"})
    with client(guarded.command_url, token(scope=WRITE, sub="a")) as other:
        of_other = other.post("/users", json=second, headers={"Idempotency-Key": "b:c"})
        of_same_name = other.post("/users", json=person(), headers={"Idempotency-Key": "c"})
    assert [made.status_code, again.status_code, of_other.status_code, of_same_name.status_code] == [201] * 4
    assert made.json()["id"] == again.json()["id"]
    assert len({made.json()["id"], of_other.json()["id"], of_same_name.json()["id"]}) == 3


def test_an_import_is_its_callers_too(guarded: Stack) -> None:
    rows = json.dumps({"email": person()["email"], "display_name": "Jo"}) + "\n"
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "file"}
    ids = []
    for subject in ("importer-1", "importer-1", "importer-2"):
        with client(guarded.command_url, token(scope=WRITE, sub=subject)) as writer:
            ids.append(writer.post("/users/import", content=rows, headers=headers).json())
    assert ids[0]["status"] == 201
    assert ids[1]["id"] == ids[0]["id"]
    assert ids[2]["status"] == 409


def test_nobody_follows_the_changes_for_longer_than_the_token_lasts(guarded: Stack) -> None:
    begun = time.time()
    with client(guarded.query_url, token(scope=READ, exp=int(begun) + 3)) as reader:
        with reader.stream("GET", "/changes") as feed:
            assert feed.status_code == 200
            assert "connected" in "".join(feed.iter_text())  # to the end
        assert time.time() - begun < 10
        assert reader.get("/changes").status_code == 401


def test_a_token_of_the_local_stack_is_let_in(guarded: Stack, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "devstack", "token", "--scope", READ, WRITE, "--subject", "dev"]
    environ = guarded.environ | {"DEVSTACK_DIR": str(tmp_path)}
    for name in [name for name in environ if name.startswith("AUTH")]:
        del environ[name]
    first = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    second = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    settings = DevstackIssuer(tmp_path).settings({}) | {"AUTH": "on"}
    with another(guarded, "query-api", tmp_path, **settings) as process:
        for minted in (first, second):
            with client(process.url, minted) as reader:
                assert reader.get("/users").status_code == 200
        with client(process.url, token(scope=READ)) as stranger:
            assert stranger.get("/users").status_code == 401
    assert (tmp_path / "auth" / "private.json").stat().st_mode & 0o077 == 0
