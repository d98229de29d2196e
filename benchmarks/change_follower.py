"""A reader of the change feed that is cut off again and again, and goes on with its last event id.

Plain `http.client`, as a downstream system in Python might do it, in a thread of its own.
"""

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """One change as it came."""

    event_id: str
    user_id: str
    sequence: int


class Follower:
    """Follow the changes at one of several processes, another one after each cut.

    `seen` has every change in the order in which it came. It begins with the first connection; `begun` tells when that
    is there.
    """

    def __init__(self, query_urls: Sequence[str], seed: int) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.resets = 0
        self.begun = threading.Event()
        self._urls = query_urls
        self._random = random.Random(seed)
        self._last_id: str | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._cuts_owed = 0
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Break the connection off wherever it is; where there is none, the next one."""
        with self._lock:
            self._cuts_owed += 1
            self._pay()

    def _pay(self) -> None:
        if self._socket is not None and self._cuts_owed:
            self._cuts_owed -= 1
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket = None

    def stop(self) -> None:
        """End; `seen` stays."""
        self._stopping = True
        self.cut()
        self._thread.join(_TIMEOUT_SECONDS)

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait until so many changes were seen; say whether they were in time."""
        deadline = time.monotonic() + seconds
        while len(self.seen) < count and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        return len(self.seen) >= count

    def _run(self) -> None:
        while not self._stopping:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._follow(self._random.choice(self._urls))
            time.sleep(_PAUSE_SECONDS * self._random.random())

    def _follow(self, url: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            headers = {"Accept": "text/event-stream"}
            if self._last_id is not None:
                headers["Last-Event-ID"] = self._last_id
            connection.request("GET", "/changes", headers=headers)
            answered = connection.sock
            response = connection.getresponse()
            if response.status == HTTPStatus.OK:
                self.connections += 1
                with self._lock:
                    self._socket = answered
                for block in _blocks(response):
                    self._take(block)
                    with self._lock:
                        self._pay()
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _take(self, block: dict[str, str]) -> None:
        if block.get("event") == "reset":
            self.resets += 1
        elif "data" in block:
            change = json.loads(block["data"])
            self.seen.append(Seen(change["id"], change["subject"], change["sequence"]))
        self._last_id = block.get("id", self._last_id)
        self.begun.set()


def _blocks(response: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    """Read the messages; one that breaks off in the middle is none."""
    block: dict[str, str] = {}
    while line := response.readline():
        if line == b"\n":
            yield block
            block = {}
        elif line.endswith(b"\n"):
            name, _, value = line[:-1].decode().partition(":")
            block[name] = value.removeprefix(" ")
