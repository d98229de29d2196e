"""The names of all Redis keys, built here and nowhere else."""

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote

from read_models.ids import raw_id
from user_directory_events import UniqueField

Sort = Literal["created_at", "updated_at", "name", "email"]
"""What lists can be sorted by."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that belong to no generation: the live pointer, the guard, the reservations, the wake channels."""

    prefix: str

    @property
    def live(self) -> str:
        """Name the string of the live pointer, see `LivePointer`."""
        return f"{self.prefix}:live"

    @property
    def beside(self) -> str:
        """Name the string of the generation beside the live one, see `BesidePointer`; absent: there is none."""
        return f"{self.prefix}:beside"

    @property
    def rebuilding(self) -> str:
        """Name the string of who rebuilds; it expires unless it is kept up."""
        return f"{self.prefix}:rebuilding"

    @property
    def guard(self) -> str:
        """Name the hash of epoch, run_id and master_replid of the server it was opened on, ready."""
        return f"{self.prefix}:guard"

    def reservations(self, partition: int) -> str:
        """Name the sorted set of event ids that hold reservations in a partition, by deadline in ms."""
        return f"{self.prefix}:reservations:{partition}"

    @property
    def reservation(self) -> str:
        """Return the prefix of the hash of one reservation; the event id follows."""
        return f"{self.prefix}:reservation:"

    def reserved_version(self, user_id: str) -> str:
        """Name the string of the event that holds the user's next version."""
        return f"{self.prefix}:reserved:version:{user_id}"

    def reserved_value(self, field: UniqueField, value: str) -> str:
        """Name the string of the event that holds a unique value, in its comparable form."""
        return f"{self.prefix}:reserved:{field}:{value}"

    def reserved_idempotency(self, actor: str, key: str) -> str:
        """Name the string of the event that holds an idempotency key."""
        return f"{self.prefix}:reserved:idempotency:{quote(actor, safe='')}:{key}"

    @property
    def wake(self) -> str:
        """Return the prefix of the pub/sub channel of one waiting process; the process's id follows."""
        return f"{self.prefix}:wake:"

    def generation(self, number: int) -> "GenerationKeys":
        """Return the keys of one generation of the read models."""
        return GenerationKeys(f"{self.prefix}:{number}")


@dataclass(frozen=True, slots=True)
class GenerationKeys:
    """Keys of one generation of the read models."""

    prefix: str

    @property
    def partition_prefix(self) -> str:
        """Return the prefix of `partition`; the number follows."""
        return f"{self.prefix}:partition:"

    def partition(self, partition: int) -> str:
        """Name the string of next position, watermark and epoch of a partition, see `PartitionProgress`."""
        return f"{self.prefix}:partition:{partition}"

    def whole(self, name: str) -> str:
        """Return the key that has this name among `WITHIN_ANY`."""
        return self.prefix + name

    @property
    def user_prefix(self) -> bytes:
        """Return the prefix of `user`; the raw id follows."""
        return f"{self.prefix}:u:".encode()

    def user(self, user_id: str) -> bytes:
        """Name the string of the user's record, see `UserRecord`."""
        return f"{self.prefix}:u:".encode() + raw_id(user_id)

    def history(self, user_id: str) -> bytes:
        """Name the list of the user's accepted events in order, see `HistoryEntry`."""
        return f"{self.prefix}:h:".encode() + raw_id(user_id)

    def idempotency(self, actor: str, key: str) -> str:
        """Name the string of the outcome of an idempotency key, see `IdempotentOutcome`; expires."""
        # Quoted: an actor with a colon must not be able to name another one's keys.
        return f"{self.prefix}:idempotency:{quote(actor, safe='')}:{key}"

    def changes(self, partition: int) -> str:
        """Name the stream of a partition's newest accepted events, `<offset>-1` each, see `FeedEntry`."""
        return f"{self.prefix}:changes:{partition}"

    def changes_from(self, partition: int) -> str:
        """Name the string of the offset from which on the stream has all; absent: from the log's beginning."""
        return f"{self.prefix}:changes-from:{partition}"

    def sparse_changes(self, partition: int) -> str:
        """Name the string of the offset of the newest erasure that took entries out of the middle of `changes`."""
        return f"{self.prefix}:changes-sparse:{partition}"

    def changes_copy(self, partition: int) -> str:
        """Name the stream that takes the place of `changes` once all is copied."""
        return f"{self.prefix}:changes-copy:{partition}"

    def doomed(self, partition: int) -> str:
        """Name the hash of events of erased users that still need a tombstone: `shorten`ed id to offset."""
        return f"{self.prefix}:doomed:{partition}"

    def buried(self, partition: int) -> str:
        """Name the hash of events that have their tombstone and wait for compaction, as `doomed`."""
        return f"{self.prefix}:buried:{partition}"

    def claims(self, field: UniqueField) -> str:
        """Name the index of the users whose current state claims a unique value: `<value> 0 <claim>`, see `claim_tail`.

        That of the addresses is also the index by e-mail.
        """
        return f"{self.prefix}:{field}"

    def waiting_claims(self, field: UniqueField) -> str:
        """Name the index of the unique values that events in quarantine claim, in the form of `claims`."""
        return f"{self.prefix}:{field}:waiting"

    @property
    def quarantine(self) -> str:
        """Name the hash of the users whose events wait, by raw id, see `Parked`."""
        return f"{self.prefix}:quarantine"

    def sorted_by(self, sort: Sort) -> str:
        """Name the index of all users in an order, see `read_models.listing`."""
        return f"{self.prefix}:{sort}"

    def suspended_by(self, sort: Sort) -> str:
        """Name the index of the suspended users in an order."""
        return f"{self.prefix}:suspended:{sort}"

    @property
    def words(self) -> str:
        """Name the index of the words that users are found by: `<word> 0 <created><user>`."""
        return f"{self.prefix}:words"

    @property
    def shared_starts(self) -> str:
        """Name the index of what several words of one user begin with: `<start> 0 <number><user>`."""
        return f"{self.prefix}:shared-starts"

    @property
    def conflicts(self) -> str:
        """Name the set of unique values with two claimants, see `conflict`; empty once all partitions are caught up."""
        return f"{self.prefix}:conflicts"

    def conflict(self, field: UniqueField, value: str) -> str:
        """Return the member of `conflicts` for a unique value."""
        return f"{field}:{value}"

    @property
    def indexes(self) -> list[str]:
        """Name every index."""
        fields: tuple[UniqueField, ...] = get_args(UniqueField)
        sorts: tuple[Sort, ...] = get_args(Sort)
        return [
            *map(self.claims, fields),
            *map(self.waiting_claims, fields),
            *(self.sorted_by(sort) for sort in sorts if sort != "email"),  # that one is the index of the claims
            *map(self.suspended_by, sorts),
            self.words,
            self.shared_starts,
        ]


WITHIN_ANY = GenerationKeys("")
"""What the keys of every generation end in, for plans that are made before it is known which one is live."""
