"""Load of two kinds, to two ports: of every so many requests one goes to the second."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.load import Connection, Load, LoadResult, RequestFactory

_WARM_UP_SECONDS: Final = 0.5


class _Half(Load):
    """The connections to one of the ports."""

    def __init__(self, port: int, requests: RequestFactory, mix: "_Mix") -> None:
        super().__init__("127.0.0.1", port, requests, None)
        self._mix = mix

    def go_on(self, connection: Connection) -> None:
        if self.stopping:
            super().go_on(connection)
        else:
            self.idle.append(connection)
            self._mix.send_next()


class _Mix:
    """What follows on each answer: as many requests stay under way as there are clients, of whichever kind is due."""

    def __init__(self, ports: Sequence[int], kinds: Sequence[RequestFactory], every: int) -> None:
        self.halves = [_Half(port, requests, self) for port, requests in zip(ports, kinds, strict=True)]
        self._every = every
        self._sent = 0

    def send_next(self) -> None:
        self._sent += 1
        half = self.halves[self._sent % self._every == 0]
        half.idle.popleft().send(time.perf_counter())

    def reset(self) -> None:
        """Count from now on, both kinds together."""
        first, second = self.halves
        first.reset()
        second.latencies, second.statuses = first.latencies, first.statuses
        second.broken = 0


async def run_mixed_load(
    ports: Sequence[int], kinds: Sequence[RequestFactory], *, every: int, clients: int, seconds: float
) -> LoadResult:
    """Send requests of both kinds, one of the second kind among `every`; each client has one under way."""
    mix = _Mix(ports, kinds, every)
    for half in mix.halves:
        # Each is opened when it is first needed: gunicorn's default worker waits for whoever is connected to ask.
        half.connections = [Connection(half) for _ in range(clients)]
        half.idle.extend(half.connections)
    for _ in range(clients):
        mix.send_next()
    await asyncio.sleep(_WARM_UP_SECONDS)
    mix.reset()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    result = mix.halves[0].result(time.perf_counter() - started)
    for half in mix.halves:
        await half.close()
    return result
