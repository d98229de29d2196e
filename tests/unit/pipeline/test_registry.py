import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StepFailed
from pipeline.registry import Name, parse, published
from tests.unit.pipeline.doubles import Answer, Peer, says

REPOSITORY = "/v2/team/user-directory"
CONFIG = "sha256:c0"


@pytest.fixture
def commit(here: Path, monkeypatch: pytest.MonkeyPatch, double: Peer) -> str:
    """Work in a repository with one commit; IMAGE is at the double."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    monkeypatch.setenv("IMAGE", f"{double.url.removeprefix('http://')}/team/user-directory:1.2.3")
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def push(double: Peer, commit: str, version: str = "1.2.3", **headers: str) -> str:
    """Put an image into the double; return its digest."""
    labels = {"org.opencontainers.image.revision": commit, "org.opencontainers.image.version": version}
    manifest = json.dumps({"config": {"digest": CONFIG}, "layers": []}).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    answer = Answer(manifest, headers={"Docker-Content-Digest": digest, **headers})
    for reference in ("1.2.3", digest):
        double.answers[f"{REPOSITORY}/manifests/{reference}"] = [answer]
    double.answers[f"{REPOSITORY}/blobs/{CONFIG}"] = [says({"config": {"Labels": labels}})]
    return digest


def test_what_was_pushed_is_read_back_by_tag_and_by_digest(here: Path, double: Peer, commit: str) -> None:
    digest = push(double, commit)

    published()

    written: dict[str, Any] = json.loads((here / "build" / "image.json").read_text())
    host = double.url.removeprefix("http://")
    assert written == {"repository": f"{host}/team/user-directory", "tag": "1.2.3", "digest": digest}


@pytest.mark.parametrize(("revision", "version"), [("another", "1.2.3"), ("", "1.2.2")])
def test_the_image_of_another_commit_or_version_is_refused(
    here: Path, double: Peer, commit: str, revision: str, version: str
) -> None:
    push(double, revision or commit, version)

    with pytest.raises(StepFailed, match="was not built from this commit"):
        published()
    assert not (here / "build").exists()


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(double: Peer, commit: str) -> None:
    push(double, commit, **{"Docker-Content-Digest": "sha256:0000"})

    with pytest.raises(StepFailed, match="sha256:0000"):
        published()


def test_a_tag_that_is_not_there_is_told(double: Peer, commit: str) -> None:
    with pytest.raises(StepFailed, match=r"404 to team/user-directory/manifests/1\.2\.3"):
        published()


def test_a_registry_that_asks_is_given_a_token(double: Peer, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    push(double, commit)
    path = f"{REPOSITORY}/manifests/1.2.3"
    challenge = f'Bearer realm="{double.url}/token",service="registry"'
    double.answers[path].insert(0, Answer(b"", 401, {"WWW-Authenticate": challenge}))
    double.answers["/token"] = [says({"token": "made-up"})]
    monkeypatch.setenv("REGISTRY_USER", "robot")
    monkeypatch.setenv("REGISTRY_PASSWORD", "made-up")

    published()

    asked = [(path.partition("?")[0], headers.get("Authorization", "")) for path, headers, _ in double.asked]
    assert asked[1][1].startswith("Basic ")
    assert asked[2] == (path, "Bearer made-up")


def test_names_are_split_as_docker_does() -> None:
    assert parse("europe-docker.pkg.dev/p/r/user-directory:1") == Name(
        "europe-docker.pkg.dev", "p/r/user-directory", "1"
    )
    assert parse("localhost:5000/ud:dev") == Name("localhost:5000", "ud", "dev")
    assert parse("team/ud:1") == Name("registry-1.docker.io", "team/ud", "1")
    assert parse("redis:8") == Name("registry-1.docker.io", "library/redis", "8")
    with pytest.raises(StepFailed, match="no tag"):
        parse("localhost:5000/ud")
