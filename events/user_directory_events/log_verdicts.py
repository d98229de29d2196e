"""The verdicts on the records of one partition, in the order of the log, keeping no event in memory."""

from dataclasses import dataclass, field

from user_directory_events.codec import LogRecord, Undecodable, decode
from user_directory_events.control_records import EpochOpened
from user_directory_events.user_events import UserErased, UserEvent
from user_directory_events.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Judged:
    """A record of the log and what it is worth.

    Args:
        partition: its partition.
        offset: its offset.
        timestamp: the broker's, in milliseconds since 1970.
        record: the event or control record; None: a tombstone, or it does not decode.
        verdict: on the first copy of an event; None: nothing to judge, or a later copy.
        duplicate: an event of this id was judged before.
        fault: why it does not decode.
        missing: how many events of the user ought to be before this one and are not.
    """

    partition: int
    offset: int
    timestamp: int
    record: LogRecord | None = None
    verdict: Verdict | None = None
    duplicate: bool = False
    fault: str | None = None
    missing: int = 0

    @property
    def accepted(self) -> bool:
        """Say whether the event counts."""
        return self.verdict is Verdict.ACCEPTED


@dataclass(slots=True)
class PartitionVerdicts:
    """What the verdict needs to know of one partition: some 250 bytes a user, 80 an event."""

    partition: int
    epoch: str | None = None
    _versions: dict[str, int] = field(default_factory=dict)
    _erased: dict[str, str] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    def judge(self, offset: int, timestamp: int, value: bytes | None) -> Judged:
        """Judge the next record.

        Raises:
            UnknownSchema: the record is of a newer release; what follows it cannot be judged by this one.
        """
        if value is None:
            return Judged(self.partition, offset, timestamp)
        try:
            record = decode(value)
        except Undecodable as fault:
            return Judged(self.partition, offset, timestamp, fault=str(fault))
        if isinstance(record, EpochOpened):
            self.epoch = record.data.epoch
        if not isinstance(record, UserEvent):
            return Judged(self.partition, offset, timestamp, record)
        event_id, erasure = record.id.encode(), self._erased.get(record.subject)
        # Of an erased user only the erasure is known: a copy of anything else is void, as if it were found alone.
        if event_id in self._seen if erasure is None else record.id == erasure:
            return Judged(self.partition, offset, timestamp, record, duplicate=True)
        self._seen.add(event_id)
        return self._judge(offset, timestamp, record)

    def _judge(self, offset: int, timestamp: int, event: UserEvent) -> Judged:
        user = event.subject
        version = self._versions.get(user, 0)
        erased = user in self._erased
        verdict = judge(event, timestamp, epoch=self.epoch, version=version, erased=erased)
        missing = max(0, event.sequence - version - 1) if verdict is Verdict.VOID_SEQUENCE else 0
        if verdict is Verdict.ACCEPTED:
            self._versions[user] = event.sequence
            if isinstance(event, UserErased):
                self._erased[user] = event.id
        return Judged(self.partition, offset, timestamp, event, verdict, missing=missing)

    def was_erased(self, user_id: str) -> bool:
        """Say whether the user was erased: earlier events may be missing then."""
        return user_id in self._erased
