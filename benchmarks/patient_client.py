"""An HTTP client that takes no for an answer, but not silence: it tries again, politely, until it has an answer.

Plain `http.client`, a connection for each thread: with 64 connections httpx spends 25 times the processor time.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

# More than the budget of a write, so that a slow answer is not taken for a lost one.
_TIMEOUT_SECONDS: Final = 15.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0


class GaveUp(Exception):
    """There was no answer in all the time that the client is patient for; `what` there was instead names nobody."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} for {seconds:g} s")
        self.what = what


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)


class Trouble:
    """What had to be tried again, and how often; shared by all threads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self.counts[what] += 1


class PatientClient:
    """Asks one service; for one thread."""

    def __init__(self, url: str, *, patience_seconds: float, trouble: Trouble) -> None:
        parts = urlsplit(url)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connect(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        self._base = parts.path.rstrip("/")
        self.patience_seconds = patience_seconds
        self._trouble = trouble

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request until it is answered with something else than 503.

        It may so reach the service more than once: a write needs an Idempotency-Key.

        Raises:
            GaveUp: there was no such answer within the client's patience.
        """
        until = time.monotonic() + self.patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            wait: float | None = None
            try:
                answer = self._send(method, path, body, dict(headers or {}))
            except (OSError, http.client.HTTPException) as error:
                what = f"no answer ({type(error).__name__})"
                self._connection.close()
            else:
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                what = "503"
                wait = retry_after(answer)
            if time.monotonic() > until:
                raise GaveUp(what, self.patience_seconds)
            self._trouble.note(what)
            time.sleep((wait or pause) * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self._connection.request(method, self._base + path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait, if it does."""
    text = answer.headers.get("Retry-After")
    return float(text) if text and text.isdecimal() else None
