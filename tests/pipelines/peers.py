"""Doubles of the pipelines' peers, real HTTP servers on one port: a registry, SonarQube, Slack's webhook."""

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD, TOKEN = "robot", "made-up", "squ_made-up"
SLACK_PATH = "/services/T0/B0/made-up"


@dataclass
class Peers:
    """What they were given, and what the quality gate is to say."""

    host: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    analyses: list[dict[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    gate: dict[str, object] = field(default_factory=lambda: {"status": "OK", "conditions": []})

    @property
    def url(self) -> str:
        """Return where SonarQube and Slack are; the registry is `host`."""
        return f"http://{self.host}"


@contextmanager
def peers() -> Iterator[Peers]:
    """Run the doubles until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        double = Peers(f"127.0.0.1:{server.server_port}")
        server.peers = double  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Registry: the OCI distribution API, as far as pushes and pulls use it. SonarQube: what scanner and gate ask."""

    protocol_version = "HTTP/1.1"

    @property
    def _peers(self) -> Peers:
        found: Peers = self.server.peers  # type: ignore[attr-defined]
        return found

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _asked(self) -> None:
        body, url = self._body(), urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/v2/"):
            if self.headers.get("Authorization") != _basic(USER, PASSWORD):
                self._answer(401, b"{}", WWW_Authenticate='Basic realm="registry"')
            else:
                self._registry(url.path, query, body)
        elif url.path.startswith("/api/"):
            if self.headers.get("Authorization") != _basic(TOKEN, ""):
                self._answer(401)
            else:
                self._sonar(url.path, query, body)
        elif url.path == SLACK_PATH and self.command == "POST":
            self._peers.messages.append(json.loads(body)["text"])
            self._answer(200, b"ok")
        else:
            self._answer(404)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _asked  # noqa: N815

    def _registry(self, path: str, query: dict[str, str], body: bytes) -> None:
        parts = path.removeprefix("/v2/").rsplit("/", 2)
        if path == "/v2/":
            self._answer(200, b"{}")
        elif path.endswith("/blobs/uploads/"):
            self._answer(202, Location=f"{path}{uuid.uuid4()}", Range="0-0")
        elif "/blobs/uploads/" in path:
            held = self._peers.blobs[path] = self._peers.blobs.get(path, b"") + body
            if self.command == "PATCH":
                self._answer(202, Location=path, Range=f"0-{len(held) - 1}")
                return
            del self._peers.blobs[path]
            digest = query["digest"]
            if digest != _digest(held):
                self._answer(400)
                return
            self._peers.blobs[digest] = held
            self._answer(201, Docker_Content_Digest=digest)
        elif parts[1] == "blobs":
            found = self._peers.blobs.get(parts[2])
            self._answer(404) if found is None else self._answer(200, found, Docker_Content_Digest=parts[2])
        else:
            self._manifest(parts[2], body)

    def _manifest(self, reference: str, body: bytes) -> None:
        if self.command == "PUT":
            kept = (self.headers["Content-Type"], body)
            self._peers.manifests[reference] = self._peers.manifests[_digest(body)] = kept
            self._answer(201, Docker_Content_Digest=_digest(body))
        elif reference in self._peers.manifests:
            kind, found = self._peers.manifests[reference]
            self._answer(200, found, Content_Type=kind, Docker_Content_Digest=_digest(found))
        else:
            self._answer(404, b"{}")

    def _sonar(self, path: str, query: dict[str, str], body: bytes) -> None:
        if path == "/api/ce/submit":
            self._peers.analyses.append(json.loads(body))
            self._say({"taskId": f"task-{len(self._peers.analyses)}"})
        elif path == "/api/ce/task":
            number = query["id"].removeprefix("task-")
            known = number.isdecimal() and 0 < int(number) <= len(self._peers.analyses)
            self._say({"task": {"status": "SUCCESS", "analysisId": f"analysis-{number}"}}) if known else self._answer(
                404
            )
        elif path == "/api/qualitygates/project_status" and query["analysisId"].startswith("analysis-"):
            self._say({"projectStatus": self._peers.gate})
        else:
            self._answer(404)

    def _say(self, content: object) -> None:
        self._answer(200, json.dumps(content).encode(), Content_Type="application/json")

    def log_message(self, *_: object) -> None:
        pass


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
