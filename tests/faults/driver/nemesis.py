"""Breaks one thing after the other, as a seed says; two of it work side by side: one on processes, one on stores."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random

from tests.faults.driver.faults import Break, Details
from tests.faults.driver.history import Fault, Recorder
from tests.faults.driver.system import System

_WATCH_SECONDS = 0.5


class Nemesis:
    """Goes through its kinds in a random order, again and again; `rest`: mean seconds between a fault and the next."""

    def __init__(
        self, system: System, kinds: Mapping[str, Break], random: Random, recorder: Recorder, rest: float
    ) -> None:
        self._system = system
        self._kinds = kinds
        self._random = random
        self._recorder = recorder
        self._rest = rest

    async def run(self, until: Callable[[], bool]) -> None:
        """Break until told to stop; what is broken then is mended before this returns."""
        left: list[str] = []
        while not until():
            left = left or self._random.sample(sorted(self._kinds), len(self._kinds))
            kind = left.pop()
            began, details = self._recorder.now(), Details()
            await self._kinds[kind](self._system, Random(self._random.getrandbits(64)), details)
            self._recorder.fault(Fault(kind, began, self._recorder.now(), details))
            await asyncio.sleep(self._random.uniform(0, 2 * self._rest))


async def supervise(system: System, until: Callable[[], bool], crashed: list[str]) -> None:
    """Start again what ended by itself, and note it."""
    while not until():
        crashed += await system.revive()
        await asyncio.sleep(_WATCH_SECONDS)
