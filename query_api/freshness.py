"""Read-your-writes: answers not older than what the client has seen (`Consistency-Token`, `Prefer: wait`)."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final, TypeVar
from urllib.request import parse_http_list

import falcon.asgi

from query_api.directory import NotYetVisible
from read_models.consistency import ConsistencyToken, InvalidConsistencyToken
from runtime.metrics import CONSISTENCY_WAIT
from runtime.observation import Request
from runtime.problems import Problem

HEADER: Final = "Consistency-Token"
_PAUSES: Final = (0.005, 0.01, 0.02)
_LONGEST_PAUSE: Final = 0.05

T = TypeVar("T")


class Freshness:
    """Ask the directory until it shows what the client has seen, as long as the client prefers to wait.

    Who waits asks twenty times a second, so no more than `max_waiting` wait at once: the others hear at once that they
    have to come again.
    """

    def __init__(self, max_wait_seconds: float, max_waiting: int) -> None:
        self._max_wait = max_wait_seconds
        self._max_waiting = max_waiting
        self._waiting = 0

    async def read(
        self, req: Request, resp: falcon.asgi.Response, ask: Callable[[ConsistencyToken | None], Awaitable[T]]
    ) -> T:
        """Return the answer of `ask`, which gets the token, not older than the token.

        Raises:
            NotYetVisible: it is older still, after the wait.
            Problem: the header is not a token.
        """
        header = req.raw_header(b"consistency-token")
        if header is None:
            return await ask(None)
        try:
            seen = ConsistencyToken.parse(header.decode("latin-1"))
        except InvalidConsistencyToken as error:
            raise Problem("invalid-consistency-token", f"{HEADER}: {error}.") from None
        wait = self._wait(req)
        if wait is None:
            return await ask(seen)
        if self._waiting >= self._max_waiting:
            wait = 0
        resp.set_header("Preference-Applied", f"wait={int(wait)}")
        self._waiting += 1
        try:
            with CONSISTENCY_WAIT.time():
                return await _ask_until(ask, seen, wait)
        finally:
            self._waiting -= 1

    def _wait(self, req: Request) -> float | None:
        prefer = req.raw_header(b"prefer")
        seconds = None if prefer is None else preferred_wait(prefer.decode("latin-1"))
        return None if seconds is None else min(seconds, self._max_wait)


def preferred_wait(header: str) -> int | None:
    """Return the seconds of the first `wait` among the preferences (RFC 7240), None where there is none.

    A preference that does not make sense is ignored, as the RFC wants.
    """
    for preference in parse_http_list(header):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None
    return None


async def _ask_until(ask: Callable[[ConsistencyToken | None], Awaitable[T]], seen: ConsistencyToken, wait: float) -> T:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
        try:
            return await ask(seen)
        except NotYetVisible:
            left = deadline - loop.time()
            if left <= 0:
                raise
        await asyncio.sleep(min(pause, left))
    raise AssertionError("the pauses never end")
