"""A peer of the pipelines on a port of its own: it gives what it was told to, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the peer answers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def says(content: object, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(json.dumps(content).encode(), status)


@dataclass
class Peer:
    """Answers by path; of several answers to one path the last one stays."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def peer() -> Iterator[Peer]:
    """Run a peer until the block ends."""
    double = Peer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            double.asked.append((self.path, dict(self.headers), body))
            waiting = double.answers.get(self.path.partition("?")[0])
            answer = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else Answer(b"", 404)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
