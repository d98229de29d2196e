"""Users in quarantine as Redis holds them: since when, and why."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Parked:
    """Why a user is in quarantine: `<user id> <broker ms> <sequence> <reason>`.

    `since` is the broker's timestamp of the event that could not be applied, `sequence` the version that it made. The
    reason holds no personal data.
    """

    user_id: str
    since: int
    sequence: int
    reason: str

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the reason."""
        user_id, since, sequence, reason = value.decode().split(" ", 3)
        return cls(user_id, int(since), int(sequence), reason)

    def encode(self) -> str:
        """Write the reason."""
        return f"{self.user_id} {self.since} {self.sequence} {self.reason}"
