"""Logs of one partition: right as a rule, now and then late, out of order, of another epoch, or a copy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.sample_events import DEADLINE, NOW, discard, envelope, epoch_opened, replay, tick, user_id
from user_directory_events import (
    LogRecord,
    PartitionFold,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
)

USERS, EMAILS, EXTERNAL_IDS, EPOCHS = range(4), range(3), range(2), ("epoch-1", "epoch-2")


@dataclass
class LogWriter:
    """Writes a log that is right as a rule: each event follows the user's version, under the partition's epoch."""

    entries: list[tuple[LogRecord, int]] = field(default_factory=lambda: [(epoch_opened(), NOW)])
    fold: PartitionFold = field(default_factory=PartitionFold)

    def __post_init__(self) -> None:
        self.fold.apply(*self.entries[0])

    def write(self, step: "Step") -> None:
        number = len(self.entries)
        if step.copy_of is not None:
            # Of an event that had its verdict before, be it accepted or void.
            record, timestamp = self.entries[step.copy_of % number][0], NOW
        else:
            record, timestamp = step.record(number, self.fold), DEADLINE + 1 if step.late else NOW + number
        self.entries.append((record, timestamp))
        self.fold.apply(record, timestamp)


@dataclass(frozen=True)
class Step:
    """One record to come."""

    kind: type[UserEvent] | str
    user: int
    email: int
    external_id: int | None
    skipped: int
    late: bool
    other_epoch: bool
    idempotent: bool
    copy_of: int | None

    def record(self, number: int, fold: PartitionFold) -> LogRecord:
        if self.kind == "epoch":
            return epoch_opened(number, epoch=EPOCHS[number % 2])
        if self.kind == "tick":
            return tick(number)
        if self.kind == "replay":
            return replay(number, user=self.user)
        log = fold.users.get(user_id(self.user))
        if self.kind == "discard" and log and log.accepted:
            # Some of the newest: those that wait are among them, and often enough one that does not.
            ids = [event.id for event in log.accepted[-2 - self.email :]]
            return discard(*ids[: 1 + number % 2], number=number, user=self.user)
        if self.kind == "discard":
            return tick(number)
        sequence = max(1, (log.version if log else 0) + 1 + self.skipped)
        epoch = "elsewhere" if self.other_epoch else fold.epoch
        attributes = envelope(number, user=self.user, sequence=sequence, epoch=epoch)
        if self.idempotent:
            attributes |= {"idempotencykey": f"key-{self.user}", "idempotencyhash": "hash"}
        return self._event(attributes, number)

    def _event(self, attributes: dict[str, Any], number: int) -> LogRecord:
        email = f"User{self.email}@example.org"
        external_id = None if self.external_id is None else f"hr-{self.external_id}"
        if self.kind is UserRegistered:
            fields = UserRegisteredData(email=email, display_name=str(number), external_id=external_id)
            return UserRegistered(**attributes, data=fields)
        if self.kind is UserUpdated:
            of_email = number % 2 == 0
            changes = UserUpdatedData(email=email) if of_email else UserUpdatedData(external_id=external_id)
            return UserUpdated(**attributes, data=changes)
        assert not isinstance(self.kind, str)
        return self.kind(**attributes)


steps = st.builds(
    Step,
    kind=st.sampled_from(
        [UserRegistered] * 4
        + [UserUpdated] * 6
        + [UserSuspended, UserReinstated, UserDeleted, UserDeleted, UserErased, UserErased, "epoch", "tick"]
        + ["discard", "discard", "replay"]
    ),
    user=st.sampled_from(USERS),
    email=st.sampled_from(EMAILS),
    external_id=st.none() | st.sampled_from(EXTERNAL_IDS),
    skipped=st.sampled_from([0] * 12 + [1, -1]),
    late=st.sampled_from([False] * 12 + [True]),
    other_epoch=st.sampled_from([False] * 12 + [True]),
    idempotent=st.booleans(),
    copy_of=st.none() | st.integers(0, 100).filter(lambda number: number % 3 == 0),
)
logs = st.lists(steps, max_size=30)


def log_of(written: Sequence[Step]) -> tuple[list[tuple[LogRecord, int]], PartitionFold]:
    writer = LogWriter()
    for step in written:
        writer.write(step)
    return writer.entries, writer.fold
