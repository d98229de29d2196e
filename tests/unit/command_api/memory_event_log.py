"""The command API's event log over a list, with a projector behind it that a test can hold."""

import time
from collections.abc import Callable

from command_api.event_log import Append, EventLog, EventLogUnavailable
from tests.memory_read_models import now_ms
from tests.small_projector import SmallProjector
from user_directory_events import UserEvent


class MemoryEventLog(EventLog):
    """A log that takes each event at once.

    `projects`: the projector follows at once; `acknowledges`: the brokers say so; `takes`: they have the event at all;
    `refuses`: the producer does not even send it. `stamp` is the brokers' clock.
    """

    def __init__(self, projector: SmallProjector) -> None:
        self.projector = projector
        self.up = True
        self.refuses = False
        self.takes = True
        self.acknowledges = True
        self.projects = True
        self.stamp: Callable[[], int] = now_ms
        self.before_append: Callable[[UserEvent], None] = lambda _: None
        self.sent: list[UserEvent] = []

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    @property
    def reachable(self) -> bool:
        return self.up

    def append(self, event: UserEvent, partition: int) -> Append:
        if self.refuses:
            raise EventLogUnavailable("KafkaTimeoutError")
        self.before_append(event)
        self.sent.append(event)
        append = Append(time.perf_counter())
        if self.takes:
            offset = self.projector.append(event, self.stamp(), partition)
            if self.acknowledges:
                append.offset, append.acknowledged_at = offset, time.perf_counter()
            if self.projects:
                self.projector.project(partition)
        return append
