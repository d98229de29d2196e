"""The requests that a comparison sends, made beforehand or one by one, and the load that sends them."""

import itertools
import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence

import uvloop

from benchmarks.comparison import Sample
from benchmarks.load import RequestFactory, http_request, run_load


def by_turns(paths: Sequence[str], headers: Mapping[str, str] | None = None) -> RequestFactory:
    """Read paths again and again, in an order that favours no cache."""
    requests = [http_request("GET", path, headers=dict(headers or {})) for path in paths]
    random.Random(10).shuffle(requests)
    return itertools.cycle(requests).__next__


def registrations() -> RequestFactory:
    """Register one new user after another."""
    prefix, numbers = uuid.uuid4().hex[:12], itertools.count()

    def make() -> bytes:
        body = {"email": f"{prefix}-{next(numbers)}@example.org", "display_name": "Ada Lovelace"}
        return http_request("POST", "/users", body=json.dumps(body).encode())

    return make


def loaded(
    port: int, requests: Callable[[], RequestFactory], *, connections: int, seconds: float, status: int = 200
) -> Callable[[], Sample]:
    """Return what measures a service under such requests, each connection with one under way.

    It raises SystemExit if the service answered with another status.
    """

    def measure() -> Sample:
        load = run_load("127.0.0.1", port, requests(), connections=connections, seconds=seconds)
        result = uvloop.run(load)
        if set(result.statuses) != {status} or result.broken:
            raise SystemExit(f"port {port} answered {result.statuses}, and {result.broken} times not at all")
        return Sample.of(result)

    return measure
