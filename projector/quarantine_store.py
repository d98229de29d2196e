"""The quarantine as operators look at it: who waits in the live generation, since when, why, and which events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from projector.settings import ProjectorSettings
from read_models.ids import raw_id
from read_models.keys import GenerationKeys, Keys
from read_models.quarantine import Parked
from read_models.records import HistoryEntry, LivePointer, PartitionProgress, UserRecord
from runtime.startup import StartupError

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ParkedUser:
    """A user in quarantine: why, the version by the log, and the version that the document shows."""

    parked: Parked
    version: int
    shown_version: int

    @property
    def waiting(self) -> int:
        """Return how many events wait."""
        return self.version - self.shown_version


@dataclass(frozen=True, slots=True)
class QuarantinedUser:
    """A user in quarantine, with the events that wait, in order."""

    user: ParkedUser
    events: Sequence[HistoryEntry]


class QuarantineStore:
    """Reads the quarantine of the live generation; changes nothing."""

    def __init__(self, settings: ProjectorSettings) -> None:
        self._redis = Redis.from_url(settings.redis_address, socket_timeout=5, socket_connect_timeout=2)
        self._keys = Keys(settings.redis_key_prefix)

    def live(self) -> LivePointer:
        """Read the live pointer.

        Raises:
            StartupError: there are no read models.
        """
        value: Any = self._redis.get(self._keys.live)
        if value is None:
            raise StartupError(
                "Redis holds no read models: set REDIS_URL and REDIS_KEY_PREFIX as the projector has them"
            )
        return LivePointer.decode(value)

    def users(self) -> list[ParkedUser]:
        """Return all users in quarantine, those who have waited longest first."""
        generation = self._generation()
        found: list[ParkedUser] = []
        scanned = self._redis.hscan_iter(generation.quarantine, count=_AT_ONCE)
        # A scan may give an entry twice.
        everybody = list({name: Parked.decode(value) for name, value in scanned}.values())
        for start in range(0, len(everybody), _AT_ONCE):
            part = everybody[start : start + _AT_ONCE]
            records: list[Any] = self._redis.mget([generation.user(parked.user_id) for parked in part])
            users = (_user(parked, record) for parked, record in zip(part, records, strict=True))
            found += [user for user in users if user is not None]
        return sorted(found, key=lambda user: (user.parked.since, user.parked.user_id))

    def user(self, user_id: str) -> QuarantinedUser | None:
        """Return one user in quarantine as of one moment; None: the user is not there."""
        generation = self._generation()
        transaction = self._redis.pipeline()
        transaction.hget(generation.quarantine, raw_id(user_id))
        transaction.get(generation.user(user_id))
        transaction.lrange(generation.history(user_id), 0, -1)
        parked, record, history = transaction.execute()
        user = _user(Parked.decode(parked), record) if parked is not None else None
        if user is None:
            return None
        entries = [HistoryEntry.decode(entry) for entry in history]
        return QuarantinedUser(user, [entry for entry in entries if entry.sequence > user.shown_version])

    def position(self, partition: int) -> int:
        """Return the next position of a partition that the projector reads."""
        value: Any = self._redis.get(self._generation().partition(partition))
        return 0 if value is None else PartitionProgress.decode(value).position

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _generation(self) -> GenerationKeys:
        return self._keys.generation(self.live().generation)


def _user(parked: Parked, record: bytes | None) -> ParkedUser | None:
    found = UserRecord.decode(record) if record is not None else None
    # Between two reads the user may have been let out.
    if found is None or found.shown is None or not found.waits:
        return None
    return ParkedUser(parked, found.version, found.shown.version)
