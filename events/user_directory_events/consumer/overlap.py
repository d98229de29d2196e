"""Which changes are news to a reader who has loaded `users`: pure, no clock, no socket.

`users` may be ahead of `user-changes`, never behind. So among the changes that follow there are some that the loaded
state holds already, and some of users whom `users` has forgotten already.
"""

from collections.abc import Callable

from user_directory_events.user_events import UserDeleted, UserErased, UserEvent

KnownVersion = Callable[[str], int | None]
"""From a user's id to the version that the reader has; 0: never heard of; None: it cannot tell."""


class ChangesMissing(Exception):
    """A change of this user was never told: start again without a checkpoint, with an empty store."""


def is_news(event: UserEvent, known: int | None) -> bool:
    """Say whether a change is to be told.

    Args:
        event: the next change of its user.
        known: the version that the reader has, 0 for a user who was not loaded, None if that is not known.

    Raises:
        ChangesMissing: there was a change in between.
    """
    if known is None:
        return True
    if event.sequence <= known:
        return False
    # An erasure may leave numbers out, see the verdict.
    if event.sequence == known + 1 or isinstance(event, UserErased):
        return True
    if known == 0:
        # Not loaded, and not new: `users` is ahead and knows that they are gone. Their end is told, nothing before.
        return isinstance(event, UserDeleted)
    raise ChangesMissing(
        f"user {event.subject} goes from version {known} to {event.sequence}: changes in between are missing, "
        "start again without a checkpoint"
    )


class MemoryVersions:
    """The versions of what was told, by partition, in memory: some 250 bytes a user."""

    def __init__(self) -> None:
        self._loaded: set[int] = set()
        self._versions: dict[int, dict[str, int]] = {}

    def known(self, partition: int, user_id: str) -> int | None:
        """Return the version of a user; None: the partition was not loaded by this process, so it cannot be told."""
        version = self._versions.get(partition, {}).get(user_id)
        return 0 if version is None and partition in self._loaded else version

    def tell(self, partition: int, user_id: str, version: int | None) -> None:
        """Keep what was told; None: the user is gone."""
        versions = self._versions.setdefault(partition, {})
        if version is None:
            versions.pop(user_id, None)
        else:
            versions[user_id] = version

    def begin(self, partition: int) -> None:
        """Keep the users of a partition from its first one on."""
        self._versions[partition] = {}
        self._loaded.add(partition)

    def forget(self, partition: int) -> None:
        """Keep nothing of a partition that others read now."""
        self._versions.pop(partition, None)
        self._loaded.discard(partition)
