"""The accepted events of a partition, and which of them were discarded, folded from the log alone and told one by one.

It keeps of each user the version, not the events; so a long log takes no more memory than its users do.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from kafka.consumer.fetcher import ConsumerRecord

from projector.log_reader import LogReader
from read_models.ids import raw_id
from user_directory_events import (
    EpochOpened,
    EventsDiscarded,
    LogRecord,
    Undecodable,
    UserErased,
    UserEvent,
    Verdict,
    decode,
    judge,
)

_POLL_MS = 500
# As it stands in the value of every such event, whatever else the value holds.
_ERASED = b"user.erased"

Kept = tuple[UserEvent | EventsDiscarded, int]
"""An accepted event, or an operator's decision about such events, with the broker's timestamp in milliseconds."""


@dataclass(slots=True)
class _Verdicts:
    """What the verdict on the next event of a partition depends on."""

    epoch: str | None = None
    versions: dict[bytes, int] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)
    void_ids: set[str] = field(default_factory=set)

    def accepts(self, event: UserEvent, timestamp: int) -> bool:
        user = raw_id(event.subject)
        # A later copy has no verdict; that of an accepted event does not follow its user's version any more.
        if event.id in self.void_ids:
            return False
        verdict = judge(
            event, timestamp, epoch=self.epoch, version=self.versions.get(user, 0), erased=user in self.erased
        )
        if verdict is not Verdict.ACCEPTED:
            self.void_ids.add(event.id)
            return False
        self.versions[user] = event.sequence
        if isinstance(event, UserErased):
            self.erased.add(user)
        return True

    def knows(self, user_id: str) -> bool:
        return raw_id(user_id) in self.versions

    def has_erased(self, user_id: str) -> bool:
        return raw_id(user_id) in self.erased


def user_of(record: UserEvent | EventsDiscarded) -> str:
    """Return the id of the user whom a record is about."""
    return record.subject if isinstance(record, UserEvent) else record.data.user_id


def kept_records(reader: LogReader, partition: int, first: int, end: int) -> Iterator[Kept]:
    """Tell what counts of a partition between two offsets in order; of an erased user only the erasure.

    That is the accepted events, and which of them operators discarded. That they had some tried again leads to nothing
    that a replay would not come to by itself.

    Raises:
        UnknownSchema: a record is of a newer release.
    """
    to_be_erased = {
        record.subject
        for raw in _records(reader, partition, first, end)
        if raw.value is not None and _ERASED in raw.value and isinstance(record := _decoded(raw), UserErased)
    }
    held: dict[str, list[Kept]] = {}
    verdicts = _Verdicts()
    for raw in _records(reader, partition, first, end):
        record = _decoded(raw)
        if isinstance(record, EpochOpened):
            verdicts.epoch = record.data.epoch
        elif (isinstance(record, UserEvent) and verdicts.accepts(record, raw.timestamp)) or (
            isinstance(record, EventsDiscarded) and verdicts.knows(record.data.user_id)
        ):
            user = user_of(record)
            if user not in to_be_erased:
                yield record, raw.timestamp
            elif isinstance(record, UserErased):
                held[user] = [(record, raw.timestamp)]
            elif not verdicts.has_erased(user):
                held.setdefault(user, []).append((record, raw.timestamp))
    # Also of those whose erasure turned out to be void.
    for events in held.values():
        yield from events


def accepted_events(reader: LogReader, partition: int, first: int, end: int) -> Iterator[tuple[UserEvent, int]]:
    """Tell only the accepted events, each with the broker's timestamp; raises what `kept_records` raises."""
    for record, timestamp in kept_records(reader, partition, first, end):
        if isinstance(record, UserEvent):
            yield record, timestamp


def _records(reader: LogReader, partition: int, first: int, end: int) -> Iterator[ConsumerRecord]:
    reader.place(partition, first)
    reader.read_only([partition])
    while reader.position(partition) < end:
        for record in reader.poll(_POLL_MS).get(partition, ()):
            if record.offset >= end:
                return
            yield record


def _decoded(record: ConsumerRecord) -> LogRecord | None:
    if record.value is not None:
        with suppress(Undecodable):
            return decode(record.value)
    return None
