"""The log folded in memory with the verdict rules: what accepted events say, by a reader who trusts nothing else."""

from dataclasses import dataclass, field

from user_directory_events.codec import LogRecord
from user_directory_events.control_records import EpochOpened
from user_directory_events.user_events import UserErased, UserEvent
from user_directory_events.verdict import Verdict, judge


@dataclass(slots=True)
class UserLog:
    """The events of one user in the order of the log."""

    version: int = 0
    erased: bool = False
    accepted: list[UserEvent] = field(default_factory=list)
    void_ids: set[str] = field(default_factory=set)

    def has_seen(self, event_id: str) -> bool:
        """Say whether a copy of the event was judged before."""
        return event_id in self.void_ids or any(event.id == event_id for event in self.accepted)


@dataclass(slots=True)
class PartitionFold:
    """One partition of the log, folded record by record in offset order."""

    epoch: str | None = None
    users: dict[str, UserLog] = field(default_factory=dict)
    duplicates: int = 0

    def apply(self, record: LogRecord, timestamp: int) -> Verdict | None:
        """Fold one record; return the verdict, or None for a control record or a later copy of an event.

        Args:
            record: the decoded record.
            timestamp: the broker's, in milliseconds since 1970.
        """
        if isinstance(record, EpochOpened):
            self.epoch = record.data.epoch
            return None
        if not isinstance(record, UserEvent):
            return None
        log = self.users.setdefault(record.subject, UserLog())
        if log.has_seen(record.id):
            self.duplicates += 1
            return None
        verdict = judge(record, timestamp, epoch=self.epoch, version=log.version, erased=log.erased)
        if verdict is not Verdict.ACCEPTED:
            if not log.erased:
                log.void_ids.add(record.id)
            return verdict
        log.version = record.sequence
        log.erased = isinstance(record, UserErased)
        if log.erased:
            # Nothing is kept that a later replay might no longer find: a later copy is void, not a copy.
            log.accepted.clear()
            log.void_ids.clear()
        log.accepted.append(record)
        return verdict
