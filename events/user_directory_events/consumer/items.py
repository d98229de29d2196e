"""What a follower tells: users as they are, then what changes."""

from dataclasses import dataclass

from user_directory_events.user import User
from user_directory_events.user_events import UserDeleted, UserErased, UserEvent


@dataclass(frozen=True, slots=True)
class Loaded:
    """A user as `users` has them; told once or more often for each user before the first change of the partition.

    Args:
        partition: of both topics.
        user_id: the user.
        user: the newest state so far; None: deleted or erased.
    """

    partition: int
    user_id: str
    user: User | None

    @property
    def forgets(self) -> bool:
        """Say whether whatever is kept of this user has to go."""
        return self.user is None


@dataclass(frozen=True, slots=True)
class Changed:
    """An accepted event that is news.

    Args:
        partition: of both topics.
        offset: its place in `user-changes`.
        timestamp: when the log took it, in milliseconds since 1970.
        event: the event; its `deadline` and `epoch` say nothing.
    """

    partition: int
    offset: int
    timestamp: int
    event: UserEvent

    @property
    def user_id(self) -> str:
        """Name the user."""
        return self.event.subject

    @property
    def erases(self) -> bool:
        """Say whether the person demanded that every trace of them disappear, backups and logs included."""
        return isinstance(self.event, UserErased)

    @property
    def forgets(self) -> bool:
        """Say whether whatever is kept of this user has to go: deleted or erased."""
        return isinstance(self.event, UserDeleted | UserErased)


Item = Loaded | Changed
