"""A directory in memory that tells its changes as the real one does."""

import itertools
import zlib
from collections.abc import Callable
from typing import Any

from user_directory_events.consumer.checkpoint import Checkpoint
from user_directory_events.consumer.follower import Follower, Progress
from user_directory_events.consumer.overlap import KnownVersion
from user_directory_events.public_topics import encode_change, encode_state
from user_directory_events.testing.topics import FakeLogs, FakeTopics
from user_directory_events.timestamps import ENDLESS, from_milliseconds
from user_directory_events.user import User, UserState, evolve
from user_directory_events.user_events import (
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
)

_BEGIN = 1_795_509_000_000


class FakeDirectory:
    """Users whose changes go to `logs`, as if by a relay.

    Each change takes a millisecond, and ids are the same in each run.

    Args:
        partitions: of both topics.
    """

    def __init__(self, partitions: int = 4) -> None:
        self.logs = FakeLogs(partitions)
        self.states: dict[str, UserState] = {}
        self._held: list[UserEvent] | None = None
        self._now = _BEGIN
        self._numbers = itertools.count(1)

    def register(self, user_id: str | None = None, **fields: Any) -> str:
        """Register a user; return the id. `fields` are those of the event; without `email` there is one."""
        made = user_id or self._fresh_id()
        data = UserRegisteredData.model_validate({"email": f"user-{len(self.states)}@example.org", **fields})
        self.happen(UserRegistered(**self._envelope(made), data=data))
        return made

    def update(self, user_id: str, **fields: Any) -> None:
        """Change fields of a user; None removes one."""
        self.happen(UserUpdated(**self._envelope(user_id), data=UserUpdatedData.model_validate(fields)))

    def suspend(self, user_id: str) -> None:
        """Suspend a user."""
        self.happen(UserSuspended(**self._envelope(user_id)))

    def reinstate(self, user_id: str) -> None:
        """Reinstate a user."""
        self.happen(UserReinstated(**self._envelope(user_id)))

    def delete(self, user_id: str) -> None:
        """Delete a user."""
        self.happen(UserDeleted(**self._envelope(user_id)))

    def erase(self, user_id: str) -> None:
        """Erase a user."""
        self.happen(UserErased(**self._envelope(user_id)))

    def happen(self, event: UserEvent) -> None:
        """Accept an event, and tell it unless the relay is held."""
        self.states[event.subject] = evolve(self.states.get(event.subject), event)
        if self._held is None:
            self._tell(event)
        else:
            self._held.append(event)

    def hold(self) -> None:
        """Let the relay lag: what happens from now on is told by `release`."""
        self._held = []

    def release(self, count: int | None = None) -> None:
        """Tell what was held, or the first `count` of it. The states told are the newest, so ahead of the changes."""
        held, self._held = self._held or [], None
        for event in held[:count]:
            self._tell(event)
        if count is not None:
            self._held = held[count:]

    def topics(self, group: str | None = None, partitions: set[int] | None = None) -> FakeTopics:
        """Return a reader of the topics."""
        return FakeTopics(self.logs, group, partitions)

    def follow(
        self,
        *,
        checkpoint: Checkpoint | None = None,
        known_version: KnownVersion | None = None,
        observe: Callable[[Progress], None] | None = None,
        group: str | None = None,
    ) -> Follower:
        """Return a follower, as `user_directory_events.consumer.follow` does."""
        return Follower(self.topics(group), checkpoint=checkpoint, known_version=known_version, observe=observe)

    def _tell(self, event: UserEvent) -> None:
        user_id = event.subject
        partition = zlib.crc32(user_id.encode()) % self.logs.partitions
        self.logs.append("changes", partition, self._now, *encode_change(event))
        state = self.states[user_id]
        document = state.to_json() if isinstance(state, User) else None
        self.logs.append("users", partition, self._now, *encode_state(user_id, document))

    def _fresh_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._numbers):012x}"

    def _envelope(self, user_id: str) -> dict[str, Any]:
        self._now += 1
        state = self.states.get(user_id)
        return {
            "id": self._fresh_id(),
            "time": from_milliseconds(self._now),
            "subject": user_id,
            "sequence": 1 if state is None else state.version + 1,
            "deadline": ENDLESS,
            "epoch": "fake",
        }
