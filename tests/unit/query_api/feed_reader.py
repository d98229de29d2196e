"""Readers of a change feed in this process."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from query_api.change_client import Wanted
from query_api.change_feed import ChangeFeed
from query_api.change_messages import RESET
from read_models.feed import Change, FeedPosition
from tests.sse import Message, parse

DEADLINE_SECONDS = 10


async def eventually(holds: Callable[[], bool]) -> None:
    """Let others run until it holds, or fail at the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


class Reader:
    """A client that can stop reading, leave, and come back somewhere else with its last id."""

    def __init__(self, wanted: Wanted | None = None) -> None:
        self.wanted = wanted or Wanted()
        self.messages: list[Message] = []
        self.last_id: str | None = None
        self.largest = 0

    async def connect(self, feed: ChangeFeed) -> None:
        position = None if self.last_id is None else FeedPosition.parse(self.last_id)
        self.client = await feed.connect(self.wanted, position)
        self.feed = feed
        self.pieces = self.client.messages()
        self.next: asyncio.Task[bytes | None] | None = None
        self.ended = False

    def take(self) -> bool:
        """Take the next piece if there is one, and ask for the one after it."""
        taken = False
        if self.next is not None and self.next.done():
            content = self.next.result()
            self.next, taken, self.ended = None, True, content is None
            self.largest = max(self.largest, len(content or b""))
            for message in parse(content) if content else ():
                self.messages.append(message)
                self.last_id = message.id or self.last_id
        if self.next is None and not self.ended:
            self.next = asyncio.create_task(self._next())
        return taken

    async def _next(self) -> bytes | None:
        return await anext(self.pieces, None)

    async def read(self, enough: Callable[[], bool]) -> None:
        """Take pieces until it is enough."""

        def taken() -> bool:
            self.take()
            return enough()

        await eventually(taken)

    async def disconnect(self) -> None:
        """Leave; what was not taken is lost on the way."""
        self.feed.disconnect(self.client)
        if self.next is not None:
            self.next.cancel()
            await asyncio.wait([self.next])
        await self.pieces.aclose()

    @property
    def events(self) -> list[Message]:
        return [message for message in self.messages if message.data is not None]

    @property
    def resets(self) -> list[Any]:
        return [json.loads(message.data or "") for message in self.messages if message.event == RESET]


def told(changes: list[Change]) -> set[tuple[str, str]]:
    """Return changes in the form of `seen`."""
    return {(change.entry.type, change.entry.event.decode()) for change in changes}


def seen(reader: Reader) -> set[tuple[str, str]]:
    """Return the changes that a reader got; none came twice."""
    found = [(message.event or "", message.data or "") for message in reader.events if message.event != RESET]
    assert len(set(found)) == len(found)
    return set(found)


def in_order(reader: Reader, changes: list[Change]) -> bool:
    """Say whether a reader got the changes of each partition in order."""
    order = {change.entry.event.decode(): change for change in changes}
    got = [order[message.data or ""] for message in reader.events if message.event != RESET]
    partitions = {change.partition for change in changes}
    offsets = [[change.offset for change in got if change.partition == p] for p in partitions]
    return all(of_partition == sorted(of_partition) for of_partition in offsets)
