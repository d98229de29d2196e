"""A small threaded HTTP server for the health and the metrics of a process that is no HTTP service itself."""

import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler

import orjson
from prometheus_client.exposition import ThreadingWSGIServer

from runtime import metrics
from runtime.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Check = Callable[[], str | None]
_JSON: Final = "application/json"
_SLOW_CLIENT_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class HealthServer:
    """Serves until `close`, in daemon threads; also a context manager."""

    def __init__(self, listener: socket.socket, checks: Mapping[str, Check], alive: Check = lambda: None) -> None:
        """Start serving on a socket that listens already; `alive` gives None unless the process has to be restarted."""
        self.port: Final[int] = listener.getsockname()[1]
        self._checks = checks
        self._alive = alive
        self._server = _Server(listener, self._respond)
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _respond(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        status, content_type, headers, body = self._answer(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, method: str, path: str) -> tuple[int, str, dict[str, str], bytes]:
        try:
            content_type, body = self._content(method, path)
        except Problem as problem:
            return problem.status, MEDIA_TYPE, problem.headers, orjson.dumps(problem.document())
        return 200, content_type, {}, body

    def _content(self, method: str, path: str) -> tuple[str, bytes]:
        if path not in ("/healthz", "/readyz", "/metrics"):
            raise Problem("not-found", "This process serves /healthz, /readyz and /metrics only.")
        if method not in ("GET", "HEAD"):
            raise Problem("method-not-allowed", "This can only be read.", headers={"Allow": "GET, HEAD"})
        if path == "/metrics":
            body, content_type = metrics.render()
            return content_type, body
        return _JSON, orjson.dumps(self._living() if path == "/healthz" else self._ready())

    def _living(self) -> dict[str, Any]:
        if (reason := self._alive()) is not None:
            raise Problem("service-unavailable", f"To be restarted: {reason}.")
        return {"status": "alive"}

    def _ready(self) -> dict[str, Any]:
        results = {name: _reason(name, check) or "ok" for name, check in self._checks.items()}
        failing = [name for name, reason in results.items() if reason != "ok"]
        if failing:
            detail = f"Not ready: {', '.join(failing)}."
            raise Problem("service-unavailable", detail, extensions={"checks": results})
        return {"status": "ready", "checks": results}


def _reason(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # whatever it is, this dependency cannot be used
        log.warning("readiness check failed", exc_info=error, extra={"check": name})
        return type(error).__name__


class _Handler(WSGIRequestHandler):
    # A client that sends nothing must not hold a thread for ever.
    timeout = _SLOW_CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Log no requests: probes and scrapes come every few seconds."""


class _Server(ThreadingWSGIServer):
    def __init__(self, listener: socket.socket, app: Any) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self.set_app(app)
