"""Read an image back from its registry after the push: `make published IMAGE=registry/name:tag`.

It speaks the OCI distribution API. The tag must lead to a manifest, the manifest must have the digest that the registry
says, and the image's labels must name this very commit. The result goes to OUT/image.json. REGISTRY_USER and
REGISTRY_PASSWORD are for registries that ask for them.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from pipeline.errors import StepFailed, main, setting

_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_COMMIT: Final = ("git", "rev-parse", "HEAD")
_DOCKER_HUB: Final = "registry-1.docker.io"


@dataclass(frozen=True)
class Name:
    """An image's name in its parts."""

    host: str
    repository: str
    tag: str


def parse(image: str) -> Name:
    """Split an image's name as Docker does: a first part with a dot, a colon or `localhost` is a host.

    Raises:
        StepFailed: it has no tag.
    """
    path, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        raise StepFailed(f"{image} has no tag: name it as registry/name:tag")
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return Name(first, rest, tag)
    return Name(_DOCKER_HUB, path if slash else f"library/{path}", tag)


class Registry:
    """One repository of a registry."""

    def __init__(self, name: Name, credentials: tuple[str, str] | None) -> None:
        scheme = "http" if name.host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        self._client = httpx.Client(
            base_url=f"{scheme}://{name.host}/v2/{name.repository}", timeout=30, follow_redirects=True
        )
        self._name, self._credentials = name, credentials

    def manifest(self, reference: str) -> tuple[str, dict[str, Any]]:
        """Return digest and content of a manifest; of an index, those of its image for linux/amd64.

        Raises:
            StepFailed: it is not there, or is not what its digest says.
        """
        answer = self._get(f"/manifests/{reference}", ", ".join((*_MANIFESTS, *_INDEXES)))
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        said = answer.headers.get("Docker-Content-Digest", digest)
        if digest != said or (reference.startswith("sha256:") and digest != reference):
            raise StepFailed(f"the registry says {said} of {reference}, but what it gives has {digest}")
        content: dict[str, Any] = answer.json()
        return digest, content

    def labels(self, manifest: dict[str, Any]) -> dict[str, str]:
        """Return the labels of an image."""
        for entry in manifest.get("manifests", []):
            if entry.get("platform", {}).get("architecture") == "amd64":
                return self.labels(self.manifest(entry["digest"])[1])
        config = self._get(f"/blobs/{manifest['config']['digest']}", "*/*").json()
        return dict(config["config"].get("Labels") or {})

    def _get(self, path: str, accept: str) -> httpx.Response:
        try:
            answer = self._client.get(path, headers={"Accept": accept})
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._client.headers["Authorization"] = self._authorization(answer.headers.get("WWW-Authenticate", ""))
                answer = self._client.get(path, headers={"Accept": accept})
        except httpx.HTTPError as error:
            raise StepFailed(f"the registry {self._name.host} could not be reached: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise StepFailed(f"the registry answered {answer.status_code} to {self._name.repository}{path}")
        return answer

    def _authorization(self, challenge: str) -> str:
        basic = httpx.BasicAuth(*self._credentials) if self._credentials else None
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if challenge.lower().startswith("bearer") and "realm" in parts:
            wanted = {"service": parts.get("service", ""), "scope": f"repository:{self._name.repository}:pull"}
            answer = httpx.get(parts["realm"], params=wanted, auth=basic, timeout=30)
            if answer.status_code == httpx.codes.OK:
                token = answer.json()
                return f"Bearer {token.get('token') or token['access_token']}"
        elif self._credentials:
            request = next(httpx.BasicAuth(*self._credentials).auth_flow(httpx.Request("GET", "http://registry/")))
            return request.headers["Authorization"]
        raise StepFailed(
            f"the registry {self._name.host} lets nobody in: are REGISTRY_USER and REGISTRY_PASSWORD right?"
        )


def published() -> None:
    """Read IMAGE back and write OUT/image.json.

    Raises:
        StepFailed: it is not the image that was built from this commit.
    """
    name = parse(setting("IMAGE"))
    user, password = os.environ.get("REGISTRY_USER"), os.environ.get("REGISTRY_PASSWORD")
    registry = Registry(name, (user, password) if user and password else None)
    digest, manifest = registry.manifest(name.tag)
    registry.manifest(digest)
    labels = registry.labels(manifest)
    commit = subprocess.run(_COMMIT, capture_output=True, text=True, check=True).stdout.strip()
    expected = {"org.opencontainers.image.revision": commit, "org.opencontainers.image.version": name.tag}
    for label, value in expected.items():
        if labels.get(label) != value:
            raise StepFailed(
                f"{setting('IMAGE')} was not built from this commit: its {label} is {labels.get(label)}, not {value}"
            )
    repository = setting("IMAGE").removesuffix(f":{name.tag}")
    found = {"repository": repository, "tag": name.tag, "digest": digest}
    target = Path(os.environ.get("OUT") or "build") / "image.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main(published)
