"""A directory of made-up users, projected straight into a Redis: no Kafka, no HTTP."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from projector.projection import LogEntry, project
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.keys import GenerationKeys
from read_models.projector_calls import Batch
from runtime.settings import load
from user_directory_events import (
    EpochOpened,
    EpochOpenedData,
    LogRecord,
    Name,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
    new_event_id,
    partition_of,
)
from user_directory_events.timestamps import ENDLESS, from_milliseconds, to_milliseconds

PARTITIONS: Final = 4
PREFIX: Final = "user-directory"
FIRST_MS: Final = 1_795_000_000_000
STEP_MS: Final = 37

_LOG: Final = "01936e09-11aa-7b22-8c33-1d44e55f6677"
_EPOCH: Final = "01936e09-0000-7000-8000-000000000000"
_PROJECTED_AFTER_MS: Final = 4
_BATCH: Final = 400
_SYLLABLES: Final = [
    "an",
    "bel",
    "cor",
    "dan",
    "el",
    "fin",
    "gar",
    "hol",
    "iv",
    "jan",
    "kas",
    "lor",
    "mar",
    "nul",
    "os",
    "pet",
    "quin",
    "ros",
    "sten",
    "tor",
    "ul",
    "ver",
    "wil",
    "yas",
    "zim",
    "bo",
    "de",
    "fa",
    "gu",
    "hi",
    "jo",
    "ka",
    "le",
    "mi",
    "no",
    "pa",
    "ri",
    "sa",
    "te",
    "vo",
]
# No two pairs of them make the same word: all addresses have to differ.
_NAMES: Final = len(_SYLLABLES) ** 2
# Coprime to the number of names, so that the order of registration is not that of names.
_STRIDE: Final = 709


def name_of(number: int) -> tuple[str, str]:
    """Return given and family name of a user; no two of two million have the same."""
    return _spelled(number % _NAMES), _spelled(number // _NAMES * _STRIDE % _NAMES)


def address_of(number: int) -> str:
    """Return the address of a user."""
    return "{}.{}@example.org".format(*name_of(number)).lower()


def created_ms(number: int) -> int:
    """Return when a user was registered, in milliseconds since 1970."""
    return FIRST_MS + number * STEP_MS


class CrowdedDirectory:
    """Read models of one log, filled by the projector's own calculation."""

    def __init__(self, redis_url: str) -> None:
        self._store = ReadModelStore(load(ProjectorSettings, {"REDIS_URL": redis_url, "REDIS_KEY_PREFIX": PREFIX}))
        self._ids: list[str] = []
        self._versions: list[int] = []
        self._positions = dict.fromkeys(range(PARTITIONS), 0)
        self._live = self._store.begin(_LOG, self._positions)
        self._store.open_guard(_EPOCH)
        opened = EpochOpened(id=new_event_id(), time=from_milliseconds(0), data=EpochOpenedData(epoch=_EPOCH))
        self._project((partition, opened) for partition in range(PARTITIONS))
        if self._store.declare_ready(self._live, _EPOCH, dict.fromkeys(range(PARTITIONS), 0)) != "ready":
            raise RuntimeError("the guard is not ready")

    @property
    def keys(self) -> GenerationKeys:
        """Return the keys of what it holds."""
        return self._store.keys.generation(self._live.generation)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> Sequence[str]:
        """Return the ids of the users, by number."""
        return self._ids

    def register(self, up_to: int) -> Iterator[int]:
        """Register users up to a number; tell after each batch how many there are."""
        while len(self) < up_to:
            numbers = range(len(self), min(len(self) + _BATCH, up_to))
            for _ in numbers:
                self._ids.append(new_event_id())
                self._versions.append(0)
            self._happen(UserRegistered, numbers)
            yield len(self)

    def suspend(self, numbers: range) -> None:
        """Suspend users."""
        for first in range(0, len(numbers), _BATCH):
            self._happen(UserSuspended, numbers[first : first + _BATCH])

    def update(self, numbers: range) -> None:
        """Change a field of users that is in no index."""
        for first in range(0, len(numbers), _BATCH):
            self._happen(UserUpdated, numbers[first : first + _BATCH])

    def _happen(self, kind: Callable[..., UserEvent], numbers: range) -> None:
        self._project(self._event(kind, number) for number in numbers)

    def _event(self, kind: Callable[..., UserEvent], number: int) -> tuple[int, UserEvent]:
        user_id = self._ids[number]
        self._versions[number] = version = self._versions[number] + 1
        attributes: dict[str, Any] = {
            "id": new_event_id(),
            "time": from_milliseconds(created_ms(number)),
            "subject": user_id,
            "sequence": version,
            "deadline": ENDLESS,
            "epoch": _EPOCH,
            "correlationid": new_event_id(),
        }
        if kind is UserRegistered:
            attributes["data"] = registration(number)
        elif kind is UserUpdated:
            attributes["data"] = UserUpdatedData(attributes={"team": random.choice("abcdef")})
        return partition_of(user_id, PARTITIONS), kind(**attributes)

    def _project(self, records: Iterable[tuple[int, LogRecord]]) -> None:
        by_partition: dict[int, list[LogEntry]] = defaultdict(list)
        users: dict[int, set[str]] = defaultdict(set)
        for partition, record in records:
            position = self._positions[partition] + len(by_partition[partition])
            stamped = to_milliseconds(record.time) + _PROJECTED_AFTER_MS
            by_partition[partition].append(LogEntry(position, stamped, record))
            users[partition] |= {record.subject} if isinstance(record, UserEvent) else set()
        checkpoints = self._store.load(self._live, {p: sorted(of_partition) for p, of_partition in users.items()})
        batches: list[Batch] = []
        for partition, entries in by_partition.items():
            position, progress = self._positions[partition], checkpoints[partition].progress
            self._positions[partition] = position + len(entries)
            if progress is None:
                raise RuntimeError("the read models were lost")
            batch, _ = project(
                entries,
                partition=partition,
                position=position,
                next_position=position + len(entries),
                progress=progress,
                records=checkpoints[partition].records,
                known_ids=set(),
                keys=self.keys,
                skew_ms=2000,
            )
            batches.append(batch)
        if set(self._store.apply(self._live, batches)) != {"applied"}:
            raise RuntimeError("a batch was refused")


def _spelled(number: int) -> str:
    first, second = divmod(number, len(_SYLLABLES))
    return (_SYLLABLES[first] + _SYLLABLES[second]).capitalize()


def registration(number: int) -> UserRegisteredData:
    """Return what a user is registered with; every hundredth has an external id."""
    given, family = name_of(number)
    data = UserRegisteredData(email=address_of(number), name=Name(given=given, family=family))
    # Not with None: a field that was set is told as removed.
    return data if number % 100 else data.model_copy(update={"external_id": f"hr-{number}"})
