"""The past of users, read from their histories.

A page of a history, or the user at a version, costs the same in a short history and in a long one, as long as the
fields that matter were set a short time before. If one of them was not, the entries before are looked through, from the
newest to the oldest, `_BLOCK` a round trip: at most the whole history once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import JsonValue
from pydantic_core import to_json

from query_api.deciding_events import FIELDS, event_in, may_touch, state_after, touched_by, value_after
from query_api.directory import Directory, FoundUser, NoSuchVersion, Unavailable, UserGone
from read_models.consistency import ConsistencyToken
from read_models.records import HistoryEntry
from user_directory_events import User, UserDeleted, UserErased, UserEvent
from user_directory_events.timestamps import from_milliseconds

_BLOCK: Final = 500
_ATTEMPTS: Final = 3

T = TypeVar("T")
Setters = dict[str, UserEvent]
"""For each field the last event that touched it."""


class _Erased(Exception):
    """The history was erased while it was read."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """One page of a history; `after` is the version that the page follows in its order."""

    newest_first: bool
    limit: int
    after: int | None

    def is_behind(self, version: int) -> bool:
        """Say whether a version stands behind `after` in the order."""
        return self.after is None or (version < self.after if self.newest_first else version > self.after)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Entries in the order asked for; `last` is the version that the next page follows, None if nothing follows."""

    items: Sequence[dict[str, Any]]
    last: int | None
    token: str


class Past:
    """Answers what was; every answer is from one moment, not older than `seen`.

    Each method may raise what `Directory.history` raises.
    """

    def __init__(self, directory: Directory, block: int = _BLOCK) -> None:
        self._directory = directory
        self._block = block

    async def history(self, user_id: str, query: HistoryQuery, seen: ConsistencyToken | None) -> HistoryPage:
        """Tell what happened to a user."""
        return await _steadily(lambda: self._history(user_id, query, seen))

    async def at_version(self, user_id: str, version: int, seen: ConsistencyToken | None) -> FoundUser:
        """Return the user at a version.

        Raises:
            NoSuchVersion: the user never had it.
            UserGone: the version is that of the deletion, or the user was erased.
        """
        return await _steadily(lambda: self._at_version(user_id, version, seen))

    async def at_time(self, user_id: str, milliseconds: int, seen: ConsistencyToken | None) -> FoundUser:
        """Return the user at a time of the broker's clock, in milliseconds since 1970.

        Raises:
            NoSuchVersion: the user was not registered yet.
            UserGone: the user was deleted by then, or was erased.
        """

        async def ask() -> FoundUser:
            version = await self._directory.count_recorded(user_id, milliseconds, seen)
            return await self._at_version(user_id, version, seen)

        return await _steadily(ask)

    async def _at_version(self, user_id: str, version: int, seen: ConsistencyToken | None) -> FoundUser:
        start = max(version - self._block, 0)
        part = await self._directory.history(user_id, start, max(version, 1), seen)
        if isinstance(event_in(part.first, user_id), UserErased):
            raise UserGone("The user was erased, and with them their past.")
        if version == 0:
            raise NoSuchVersion("The user was not registered yet at this time.")
        if part.length < version:
            raise NoSuchVersion(f"The user has no version {version}; the newest is {part.length}.")
        newest = event_in(part.entries[-1], user_id)
        if isinstance(newest, UserDeleted):
            raise UserGone("The user was deleted.")
        setters = await self._setters(user_id, part.entries, start, set(FIELDS))
        events = {event.id: event for event in (event_in(part.first, user_id), *setters.values(), newest)}
        state = state_after(events.values())
        if not isinstance(state, User):
            raise NoSuchVersion("The user's history does not fit together.")
        return FoundUser(state.to_json(), str(state.version), part.token)

    async def _history(self, user_id: str, query: HistoryQuery, seen: ConsistencyToken | None) -> HistoryPage:
        start, stop = _indexes(query)
        part = await self._directory.history(user_id, start, stop, seen)
        if query.newest_first and stop is not None and stop > part.length:
            # The cursor is of a time before an erasure.
            start = -query.limit
            part = await self._directory.history(user_id, start, None, seen)
        if start < 0:
            start = part.length - len(part.entries)
        # After an erasure one entry is left, at the first index, whatever its version.
        entries = [(entry, event_in(entry, user_id)) for entry in part.entries or [part.first]]
        entries = [pair for pair in entries if query.is_behind(pair[1].sequence)]
        fields = {field for _, event in entries for field in touched_by(event)}
        setters: Setters = {}
        if 0 < start < part.length:
            setters = await self._setters(user_id, *await self._before(user_id, start), fields)
        items = _tell(entries, setters)
        if query.newest_first:
            items.reverse()
        more = bool(items) and (start > 0 if query.newest_first else start + query.limit < part.length)
        return HistoryPage(items, items[-1]["version"] if more else None, part.token)

    async def _setters(self, user_id: str, entries: Sequence[bytes], start: int, fields: set[str]) -> Setters:
        """Find the last events that touched the fields among entries, which begin at an index, and all before."""
        found: Setters = {}
        left = fields
        while left:
            judge = may_touch(left)
            for entry in reversed(entries):
                if judge(entry):
                    event = event_in(entry, user_id)
                    found.update(dict.fromkeys(touched_by(event) & left, event))
                    left = fields - found.keys()
                    if not left:
                        break
                    judge = may_touch(left)
            if not left or start == 0:
                break
            entries, start = await self._before(user_id, start)
        return found

    async def _before(self, user_id: str, index: int) -> tuple[Sequence[bytes], int]:
        """Read the entries before an index; return the index of the first of them, too."""
        start = max(index - self._block, 0)
        part = await self._directory.history(user_id, start, index, None)
        if part.length < index:
            raise _Erased
        return part.entries, start


def _indexes(query: HistoryQuery) -> tuple[int, int | None]:
    if not query.newest_first:
        start = query.after or 0
        return start, start + query.limit
    if query.after is None:
        return -query.limit, None
    stop = max(query.after - 1, 1)
    return max(stop - query.limit, 0), stop


async def _steadily(ask: Callable[[], Awaitable[T]]) -> T:
    for _ in range(_ATTEMPTS):
        try:
            return await ask()
        except _Erased:
            continue
    raise Unavailable("The user's history is changing.")


def _tell(entries: Sequence[tuple[bytes, UserEvent]], setters: Setters) -> list[dict[str, Any]]:
    """Describe the events, given what set the fields before the first of them."""
    values: dict[str, JsonValue] = {field: value_after(event, field) for field, event in setters.items()}
    items = []
    for entry, event in entries:
        changes = []
        touched = touched_by(event)
        for field in FIELDS:
            if field in touched:
                old, new = values.get(field), value_after(event, field)
                values[field] = new
                # By their text: to Python 1, 1.0 and true are equal.
                if to_json(old) != to_json(new):
                    changes.append({"field": field, "from": old, "to": new})
        items.append(
            {
                "version": event.sequence,
                "type": event.type,
                "time": event.time,
                "recorded_at": from_milliseconds(HistoryEntry.decode(entry).timestamp),
                "actor": event.actor,
                "event_id": event.id,
                "changes": changes,
            }
        )
    return items
