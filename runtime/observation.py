"""What every request is given and leaves behind: an id, its trace, its metrics, its line in the access log.

One middleware does it all and is written for speed: it runs for every read, and a read takes about 30 µs.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPMethod
from time import perf_counter
from typing import Any, Final

import falcon
import falcon.asgi
from prometheus_client import Histogram

from runtime import context
from runtime.logs import LineWriter
from runtime.metrics import HTTP_REQUEST_DURATION, HTTP_REQUESTS_IN_FLIGHT
from runtime.problems import MEDIA_TYPE, Problem

JSON_TYPES: Final = ("application/json", MEDIA_TYPE)
REQUEST_ID_HEADER: Final = "X-Request-ID"
_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,128}")
_METHODS: Final = frozenset(HTTPMethod)
# Asked every few seconds by machines; their lines would bury those of the requests.
UNLOGGED_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class ClientGone(Exception):
    """The client has gone before its request was complete."""


class Request(falcon.asgi.Request):
    """A request that remembers when it came; its raw headers are at hand without decoding."""

    __slots__ = ("_body_begun", "started")
    started: float
    _body_begun: bool

    async def receive_body(self) -> tuple[bytes, bool]:
        """Wait for the next part of the body; return it, and whether more follows.

        Instead of falcon's stream, to which a body that ends and a client who leaves are the same. A call that is
        cancelled loses nothing.

        Raises:
            ClientGone: see there.
        """
        event = None if hasattr(self, "_body_begun") else self._first_event
        self._body_begun = True
        event = event or await self._receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        return event.get("body", b""), event.get("more_body", False)

    def raw_header(self, name: bytes) -> bytes | None:
        """Give a header by its lower-case name."""
        return self._asgi_headers.get(name)

    async def disconnected(self) -> None:
        """Wait until the client has gone; for requests whose body, if any, was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Observation:
    """Falcon middleware; has to be the first."""

    def __init__(self, other_media_types: Mapping[str, str], access_log: LineWriter | None) -> None:
        """Take the paths that answer with something else than JSON, and where to log requests, if at all."""
        self._other_media_types = other_media_types
        self._access_log = access_log
        self._durations: dict[tuple[str | None, str, int], Histogram] = {}
        self._in_flight = HTTP_REQUESTS_IN_FLIGHT

    async def process_request(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Note the time, give the request its id and trace, and refuse it when JSON is not acceptable."""
        req.started = perf_counter()
        self.begun()
        headers = req.raw_header
        given = headers(b"x-request-id")
        request_id = accepted_id(given) if given is not None else context.new_request_id()
        context.request_id.set(request_id)
        resp.set_header(REQUEST_ID_HEADER, request_id)
        trace = headers(b"traceparent")
        # Set even when empty: a pipelined request inherits the context of the one before it.
        context.traceparent.set("" if trace is None else context.child_traceparent(trace.decode("latin-1")) or "")
        accept = headers(b"accept")
        if accept is not None and accept != b"*/*" and not self._acceptable(accept, req.path):
            offered = self._other_media_types.get(req.path, JSON_TYPES[0])
            raise Problem("not-acceptable", f"This is only available as {offered}.")

    async def process_response(
        self, req: Request, resp: falcon.asgi.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Count and time the request by its route, and log it."""
        self.ended(req.method, req.uri_template, resp.status_code, perf_counter() - req.started)

    @property
    def logs(self) -> bool:
        """Say whether requests are logged."""
        return self._access_log is not None

    def begun(self) -> None:
        """Count a request that came."""
        self._in_flight.inc()

    def given_up(self) -> None:
        """Count it no more: somebody else will answer it, and count it."""
        self._in_flight.dec()

    def ended(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count and log a request that was answered."""
        self._in_flight.dec()
        key = (route, method, status)
        duration = self._durations.get(key)
        if duration is None:
            duration = self._durations[key] = _child(*key)
        duration.observe(seconds)
        if self._access_log is not None and route not in UNLOGGED_ROUTES:
            # The template and not the path or the query: those can hold what identifies a person.
            fields: dict[str, Any] = {
                "method": method,
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
            }
            self._access_log("request", fields)

    def _acceptable(self, accept: bytes, path: str) -> bool:
        other = self._other_media_types.get(path)
        return accepts(accept, JSON_TYPES if other is None else (other, *JSON_TYPES))


def _child(route: str | None, method: str, status: int) -> Histogram:
    # Clients choose the method: only known ones may become labels.
    known = method if method in _METHODS else "other"
    return HTTP_REQUEST_DURATION.labels(route or "none", known, str(status))


def accepted_id(given: bytes) -> str:
    """Return the id that a client gave its request, or another one if that is none to be logged."""
    text = given.decode("latin-1")
    return text if _SANE_REQUEST_ID.fullmatch(text) else context.new_request_id()


@lru_cache(maxsize=256)
def accepts(accept: bytes, offered: tuple[str, ...]) -> bool:
    """Say whether a client takes one of the media types, by the value of Accept."""
    try:
        return any(falcon.mediatypes.quality(media_type, accept.decode("latin-1")) > 0 for media_type in offered)
    except ValueError:
        # A header that cannot be read says nothing about what the client can take.
        return True
