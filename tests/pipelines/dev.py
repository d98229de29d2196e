"""The environment that a release is tried in: the product's processes, which ask for a token, behind one public URL.

Processes, Kafka, Redis and the issuer of tokens are real; the gateway routes as docker/gateway.conf says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

import httpx

from devstack import servers
from devstack.tokens import Issuer
from tests.gateway_map import side
from tests.stack import running_stack

_SCOPES: Final = ("users:read", "users:write")
_TOKEN_SECONDS: Final = 3600
_TIMEOUT_SECONDS: Final = 30
# They are about one connection, so each side of the gateway has its own.
_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Dev:
    """Where it answers, and a token that may read and write."""

    url: str
    token: str


@contextmanager
def dev(directory: Path) -> Iterator[Dev]:
    """Run it until the block ends; keys and logs lie in the folder, which need not be there yet."""
    directory.mkdir()
    issuer = Issuer(directory)
    issuer.prepare()
    token = issuer.token(_SCOPES, subject="pipeline", seconds=_TOKEN_SECONDS, environ={})
    settings = {"AUTH": "on", **issuer.settings({})}
    with (
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, directory, **settings) as stack,
        _gateway({"command": stack.command_url, "query": stack.query_url}) as url,
    ):
        yield Dev(url, token)


@contextmanager
def _gateway(upstreams: dict[str, str]) -> Iterator[str]:
    with (
        httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client,
        ThreadingHTTPServer(("127.0.0.1", 0), _Gateway) as server,
    ):
        server.upstreams, server.client = upstreams, client  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Gateway(BaseHTTPRequestHandler):
    """Passes a request with a body of known length on, and the answer back."""

    def _passed_on(self) -> None:
        upstream = self.server.upstreams[side(self.command, urlsplit(self.path).path)]  # type: ignore[attr-defined]
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer: httpx.Response = self.server.client.request(  # type: ignore[attr-defined]
            self.command, f"{upstream}{self.path}", headers=headers, content=body
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in {*_HOP_BY_HOP, "content-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _passed_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
