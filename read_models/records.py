"""The shapes of the values in Redis, to bytes and back.

They are plain text with spaces, so that a Lua script and a reader in Python each take what they need at a glance.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, cast

from pydantic_core import from_json, to_json

from read_models.ids import lengthen, shorten
from read_models.listing import Listing
from user_directory_events import Gone, User, UserEvent, UserState, decode
from user_directory_events.codec import encode_data
from user_directory_events.timestamps import ENDLESS, from_milliseconds, to_milliseconds

Presence = Literal["active", "gone", "erased", "none"]
_LETTER: dict[Presence, str] = {"active": "A", "gone": "G", "erased": "E", "none": "N"}
_NO_IDS = b"[]"
_PRESENCE: dict[bytes, Presence] = {
    form.encode(): presence for presence, letter in _LETTER.items() for form in (letter, letter.lower())
}


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

    def encode(self) -> str:
        """Write the pointer."""
        return f"{self.identity} {int(self.complete)}"

    @property
    def identity(self) -> str:
        """What scripts compare: the pointer without the flag."""
        return f"{self.generation} {self.log_id}"


Stage = Literal["filling", "following", "kept", "pruning"]


@dataclass(frozen=True, slots=True)
class BesidePointer:
    """The generation beside the live one: `<generation> <log id> <stage>`.

    `filling`: a rebuild fills it from the log. `following`: the projectors apply each batch to it and to the live one
    in one step. `kept`: the same, after it was the live one itself. `pruning`: its keys are being deleted.
    """

    generation: int
    log_id: str
    stage: Stage

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the pointer."""
        generation, log_id, stage = value.decode().split(" ")
        return cls(int(generation), log_id, cast("Stage", stage))

    def encode(self) -> str:
        """Write the pointer."""
        return f"{self.generation} {self.log_id} {self.stage}"

    @property
    def follows(self) -> bool:
        """Say whether it gets each batch together with the live generation."""
        return self.stage in ("following", "kept")


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
class Shown:
    """What the document of a user shows who is, or was, in quarantine: `;<version>;<offset>;<waits from>;<discarded>`.

    `version` and `offset` are those of the newest event that the document shows. `waits_from` is the offset of the
    first event that waits, None (`-`) where none does. `discarded` are the sequences of the events that an operator
    discarded, ascending.
    """

    version: int
    offset: int
    waits_from: int | None
    discarded: tuple[int, ...] = ()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read what is shown."""
        version, offset, waits_from, discarded = value.decode().split(";")
        sequences = tuple(map(int, discarded.split(","))) if discarded else ()
        return cls(int(version), int(offset), None if waits_from == "-" else int(waits_from), sequences)

    def encode(self) -> bytes:
        """Write what is shown."""
        waits_from = "-" if self.waits_from is None else self.waits_from
        return f"{self.version};{self.offset};{waits_from};{','.join(map(str, self.discarded))}".encode()


class UserRecord(NamedTuple):
    """All that is known of one user: a head of words, a line feed, the document.

    The head is `<version> <partition> <offset> <presence> <void ids> <listing>`. `version`, `partition` and `offset`
    are those of the user's last accepted event, so that a reader has ETag and consistency token without parsing the
    document. `listing` is what lists filter and sort by, see `Listing.encode`; only an active user has one.

    Of a user in quarantine the document and the listing are those before the events that wait: the letter of the
    presence, which is theirs, is then a small one. `shown` tells which; it follows the void ids, after a semicolon.
    """

    version: int
    partition: int
    offset: int
    presence: Presence
    document: bytes = b""
    void_ids: tuple[str, ...] = ()
    listing: str = ""
    shown: Shown | None = None

    @property
    def waits(self) -> bool:
        """Say whether events of this user wait in quarantine."""
        return self.shown is not None and self.shown.waits_from is not None

    @classmethod
    def of(
        cls,
        state: UserState,
        *,
        version: int,
        partition: int,
        offset: int,
        void_ids: Iterable[str],
        listing: Listing | None = None,
        document: bytes = b"",
        shown: Shown | None = None,
    ) -> Self:
        """Make the record of a user in this state; `listing` and `document` of it are made if they are not there."""
        if isinstance(state, User):
            text = (listing or Listing.of(state)).encode()
            document = document or state.to_json()
            return cls(version, partition, offset, "active", document, tuple(void_ids), text, shown)
        presence: Presence = "none" if state is None else "erased" if state.erased else "gone"
        return cls(version, partition, offset, presence, b"", tuple(void_ids), shown=shown)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the record."""
        head, _, document = value.partition(b"\n")
        version, partition, offset, letter, rest = head.split(b" ", 4)
        void_ids, _, listing = rest.partition(b" ")
        shown = None
        if not void_ids.endswith(b"]"):
            void_ids, _, behind = void_ids.rpartition(b"];")
            void_ids, shown = void_ids + b"]", Shown.decode(behind)
        return cls(
            int(version),
            int(partition),
            int(offset),
            _PRESENCE[letter],
            document,
            () if void_ids == _NO_IDS else tuple(from_json(void_ids)),
            listing.decode(),
            shown,
        )

    def encode(self) -> bytes:
        """Write the record."""
        letter = _LETTER[self.presence]
        head = f"{self.version} {self.partition} {self.offset} {letter.lower() if self.waits else letter} ".encode()
        # As many as there are void events, and as long as their writers made them: blanks would end the word.
        void_ids = to_json(self.void_ids).replace(b" ", b"\\u0020") if self.void_ids else _NO_IDS
        if self.shown is not None:
            void_ids += b";" + self.shown.encode()
        return head + void_ids + b" " + self.listing.encode() + b"\n" + self.document

    def state(self, user_id: str) -> UserState:
        """Return the user's state as the domain knows it."""
        match self.presence:
            case "none":
                return None
            case "active":
                return User.model_validate_json(self.document)
            case presence:
                version = self.version if self.shown is None else self.shown.version
                return Gone(id=user_id, version=version, erased=presence == "erased")


def split_record(value: bytes) -> tuple[str, str, str, str, bytes]:
    """Take version, partition, offset, presence letter and document out of a user's record.

    For readers who pass them on as they are: a third of the time that `UserRecord.decode` takes. A small letter says
    that the document is not that of the version.
    """
    head, _, document = value.partition(b"\n")
    version, partition, offset, letter, _ = head.decode().split(" ", 4)
    return version, partition, offset, letter, document


def listing_and_document(value: bytes) -> tuple[bytes, bytes]:
    """Take the listing and the document out of an active user's record, or out of its head alone."""
    head, _, document = value.partition(b"\n")
    return head.split(b" ", 5)[5], document


class HistoryEntry(NamedTuple):
    """One accepted event of a user, without what the user, its place and its verdict tell already.

    `<event id> <offset> <broker ms> <sequence> <schema> <age> <actor> <correlation id> <data as JSON>`; ids and
    actor as `shorten` writes them. `age` are the milliseconds from when it was decided to the broker's timestamp.
    """

    event_id: str
    offset: int
    timestamp: int
    sequence: int
    schema: str
    decided: int
    actor: str | None
    correlation_id: str | None
    data: bytes

    @classmethod
    def of(cls, event: UserEvent, *, offset: int, timestamp: int, data: bytes | None = None) -> Self:
        """Make the entry of an event that stands at an offset with the broker's timestamp.

        `data` is that of the event, by `encode_data`, where it is there already.
        """
        decided = to_milliseconds(event.time)
        return cls(
            event.id,
            offset,
            timestamp,
            event.sequence,
            event.dataschema,
            decided,
            event.actor,
            event.correlationid,
            data or encode_data(event),
        )

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the entry."""
        head, data = value.split(b" {", 1)
        event_id, offset, timestamp, sequence, schema, age, actor, correlation_id = head.decode().split(" ")
        return cls(
            lengthen(event_id) or "",
            int(offset),
            int(timestamp),
            int(sequence),
            schema,
            int(timestamp) - int(age),
            lengthen(actor),
            lengthen(correlation_id),
            b"{" + data,
        )

    def encode(self) -> bytes:
        """Write the entry."""
        numbers = f"{self.offset} {self.timestamp} {self.sequence} {self.schema} {self.timestamp - self.decided}"
        head = f"{shorten(self.event_id)} {numbers} {shorten(self.actor)} {shorten(self.correlation_id)} "
        return head.encode() + self.data

    @staticmethod
    def schema_and_data(value: bytes) -> tuple[bytes, bytes]:
        """Take the schema and the data out of an entry, for readers who need not decode it."""
        head, _, data = value.partition(b" {")
        return head.split(b" ", 5)[4], b"{" + data

    def event(self, user_id: str) -> UserEvent:
        """Return the event, lifted to the current version of its schema; what was not kept is as good as nothing."""
        envelope = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/user-directory",
            "type": self.schema.partition("/")[0],
            "time": from_milliseconds(self.decided),
            "subject": user_id,
            "dataschema": self.schema,
            "sequence": self.sequence,
            "deadline": ENDLESS,
            "epoch": "",
        }
        extensions = {"actor": self.actor, "correlationid": self.correlation_id}
        envelope |= {name: value for name, value in extensions.items() if value is not None}
        event = decode(to_json(envelope)[:-1] + b',"data":' + self.data + b"}")
        assert isinstance(event, UserEvent)  # noqa: S101 - a history holds nothing else
        return event


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
