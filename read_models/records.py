"""The shapes of the values in Redis, to bytes and back.

They are plain text with spaces, so that a Lua script and a reader in Python each take what they need at a glance.
"""

from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic_core import from_json, to_json

from user_directory_events import Gone, User, UserState

Presence = Literal["active", "gone", "erased", "none"]
_LETTER: dict[Presence, str] = {"active": "A", "gone": "G", "erased": "E", "none": "N"}
_PRESENCE: dict[bytes, Presence] = {letter.encode(): presence for presence, letter in _LETTER.items()}


@dataclass(frozen=True, slots=True)
class LivePointer:
    """Which generation readers and writers use: `<generation> <log id> <complete>`."""

    generation: int
    log_id: str
    complete: bool

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the pointer."""
        generation, log_id, complete = value.decode().split(" ")
        return cls(int(generation), log_id, complete == "1")

    @property
    def identity(self) -> str:
        """What scripts compare: the pointer without the flag."""
        return f"{self.generation} {self.log_id}"


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far a partition is projected: `<next position> <watermark> <epoch or ->`.

    The watermark is in milliseconds of the broker's clock: no event with an earlier deadline can still be accepted.
    """

    position: int
    watermark: int
    epoch: str | None

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the progress."""
        position, watermark, epoch = value.decode().split(" ")
        return cls(int(position), int(watermark), None if epoch == "-" else epoch)

    def encode(self) -> str:
        """Write the progress."""
        return f"{self.position} {self.watermark} {self.epoch or '-'}"


@dataclass(frozen=True, slots=True)
class UserRecord:
    """All that is known of one user: `<version> <partition> <offset> <presence> <void ids>`, a line feed, the document.

    `version`, `partition` and `offset` are those of the user's last accepted event, so that a reader has ETag and
    consistency token without parsing the document.
    """

    version: int
    partition: int
    offset: int
    presence: Presence
    document: bytes = b""
    void_ids: list[str] = field(default_factory=list)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the record."""
        head, _, document = value.partition(b"\n")
        version, partition, offset, letter, void_ids = head.split(b" ", 4)
        return cls(
            int(version),
            int(partition),
            int(offset),
            _PRESENCE[letter],
            document,
            from_json(void_ids),
        )

    def encode(self) -> bytes:
        """Write the record."""
        head = f"{self.version} {self.partition} {self.offset} {_LETTER[self.presence]} ".encode()
        return head + to_json(self.void_ids) + b"\n" + self.document

    def state(self, user_id: str) -> UserState:
        """Return the user's state as the domain knows it."""
        match self.presence:
            case "none":
                return None
            case "active":
                return User.model_validate_json(self.document)
            case presence:
                return Gone(id=user_id, version=self.version, erased=presence == "erased")


def split_record(value: bytes) -> tuple[str, str, str, str, bytes]:
    """Take version, partition, offset, presence letter and document out of a user's record.

    For readers who pass them on as they are: a third of the time that `UserRecord.decode` takes.
    """
    head, _, document = value.partition(b"\n")
    version, partition, offset, letter, _ = head.decode().split(" ", 4)
    return version, partition, offset, letter, document


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One accepted event of a user: `<event id> <offset> <broker ms> <event as JSON>`."""

    event_id: str
    offset: int
    timestamp: int
    event: bytes

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the entry."""
        event_id, offset, timestamp, event = value.split(b" ", 3)
        return cls(event_id.decode(), int(offset), int(timestamp), event)

    def encode(self) -> bytes:
        """Write the entry."""
        return f"{self.event_id} {self.offset} {self.timestamp} ".encode() + self.event


@dataclass(frozen=True, slots=True)
class IdempotentOutcome:
    """What an idempotency key led to: `<request hash> <user id> <sequence> <event id> <partition> <offset>`."""

    request_hash: str
    user_id: str
    sequence: int
    event_id: str
    partition: int
    offset: int

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the outcome."""
        request_hash, user_id, sequence, event_id, partition, offset = value.decode().split(" ")
        return cls(request_hash, user_id, int(sequence), event_id, int(partition), int(offset))

    def encode(self) -> str:
        """Write the outcome."""
        return f"{self.request_hash} {self.user_id} {self.sequence} {self.event_id} {self.partition} {self.offset}"
