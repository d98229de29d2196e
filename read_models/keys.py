"""The names of all Redis keys, built here and nowhere else."""

from dataclasses import dataclass

from user_directory_events import UniqueField


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that belong to no generation: the live pointer, the guard, the reservations, the wake channels."""

    prefix: str

    @property
    def live(self) -> str:
        """Name the string of the live pointer, see `LivePointer`."""
        return f"{self.prefix}:live"

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
        return f"{self.prefix}:reserved:idempotency:{actor}:{key}"

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

    def user(self, user_id: str) -> str:
        """Name the string of the user's record, see `UserRecord`."""
        return f"{self.prefix}:user:{user_id}"

    def claims(self, field: UniqueField, value: str) -> str:
        """Name the hash of the users whose current state claims a unique value, each with `<broker ms> <event id>`."""
        return f"{self.prefix}:{field}:{value}"

    def history(self, user_id: str) -> str:
        """Name the list of the user's accepted events in order, see `HistoryEntry`."""
        return f"{self.prefix}:history:{user_id}"

    def idempotency(self, actor: str, key: str) -> str:
        """Name the string of the outcome of an idempotency key, see `IdempotentOutcome`; expires."""
        return f"{self.prefix}:idempotency:{actor}:{key}"

    def changes(self, partition: int) -> str:
        """Name the stream of a partition's newest accepted events, `<offset>-1` each, see `FeedEntry`."""
        return f"{self.prefix}:changes:{partition}"

    def changes_from(self, partition: int) -> str:
        """Name the string of the offset from which on the stream has all; absent: from the log's beginning."""
        return f"{self.prefix}:changes-from:{partition}"

    @property
    def by_creation(self) -> str:
        """Name the sorted set, all scores 0, of `<created_at><user id>`: in text order, which is creation order."""
        return f"{self.prefix}:by-creation"

    @property
    def conflicts(self) -> str:
        """Name the set of keys of unique values with two claimants; empty once all partitions are caught up."""
        return f"{self.prefix}:conflicts"
