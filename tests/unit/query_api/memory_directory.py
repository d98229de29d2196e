"""The directory in memory: what the app is tested with, and what the real one is compared with."""

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress

from query_api.directory import (
    Filters,
    FoundUser,
    HistoryPart,
    ListQuery,
    LookedUp,
    Missing,
    NotYetVisible,
    Start,
    Unavailable,
    UserCount,
    UserGone,
    UserNotFound,
    UserPage,
    WrongToken,
)
from read_models.consistency import ConsistencyToken, token
from read_models.ids import raw_id
from read_models.keys import Sort
from read_models.listing import Listing, before, behind
from read_models.records import HistoryEntry
from user_directory_events import (
    CannotEvolve,
    Gone,
    UniqueField,
    User,
    UserErased,
    UserEvent,
    UserState,
    comparable,
    evolve,
)

LOG_ID = "01936e09-11aa-7b22-8c33-1d44e55f6677"


class MemoryDirectory:
    """A `Directory` over a dictionary; `positions` are the next positions of the partitions."""

    def __init__(self, partitions: int = 3) -> None:
        self.users: dict[str, tuple[UserState, int, int]] = {}
        self.histories: dict[str, list[HistoryEntry]] = {}
        self.positions = [1] * partitions
        self.marks: dict[tuple[str, str], tuple[int, str]] = {}
        self.unavailable: str | None = None
        self.asked = 0
        self.most_counted: int | None = None

    def put(self, state: User | Gone, partition: int = 0, offset: int | None = None) -> None:
        offset = self.positions[partition] if offset is None else offset
        self.users[state.id] = (state, partition, offset)
        self.positions[partition] = max(self.positions[partition], offset + 1)

    def record(self, event: UserEvent, timestamp: int, partition: int = 0) -> None:
        """Store an accepted event, and the state after it."""
        state = self.users.get(event.subject, (None, 0, 0))[0]
        if isinstance(event, UserErased):
            self.histories.pop(event.subject, None)
        entry = HistoryEntry.of(event, offset=self.positions[partition], timestamp=timestamp)
        self.histories.setdefault(event.subject, []).append(entry)
        # As the projector: what does not fit the state before it changes nothing.
        with suppress(CannotEvolve):
            self.put(evolve(state, event), partition)

    async def user(self, user_id: str, seen: ConsistencyToken | None) -> FoundUser:
        self._check(seen)
        state, partition, offset = self.users.get(user_id, (None, 0, 0))
        if state is None:
            raise UserNotFound("No user has this id.")
        if isinstance(state, Gone):
            raise UserGone("The user was deleted.")
        return FoundUser(state.to_json(), str(state.version), token(LOG_ID, partition, offset))

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        self._check(seen)
        start, sort, limit = query.start, query.sort, query.limit
        backwards = start is not None and start.backwards
        downwards = query.descending != backwards
        users = sorted(self._matching(query.filters, seen), key=lambda user: place(user, sort), reverse=downwards)
        if start is not None:
            users = [user for user in users if (place(user, sort) < start.boundary) == downwards]
        page = users[:limit]
        beyond = before if downwards else behind
        further = Start(beyond(sort, place(page[-1], sort)), backwards) if len(users) > limit else None
        back = None if start is None else Start(start.boundary, not backwards)
        if backwards:
            page, further, back = page[::-1], back, further
        return UserPage([user.to_json() for user in page], back, further, self._token())

    async def count_users(self, filters: Filters, seen: ConsistencyToken | None) -> UserCount:
        self._check(seen)
        count = len(self._matching(filters, seen))
        at_least = self.most_counted is not None and count > self.most_counted
        return UserCount(self.most_counted or count if at_least else count, at_least, self._token())

    async def lookup(
        self, ids: Sequence[str], comparable_emails: Sequence[str], seen: ConsistencyToken | None
    ) -> LookedUp:
        self._check(seen)
        by_id = [self._document(self.users.get(user_id, (None, 0, 0))[0]) for user_id in ids]
        by_email = [self._document(self._owner("email", email, seen)) for email in comparable_emails]
        return LookedUp(by_id + by_email, self._token())

    async def history(self, user_id: str, start: int, stop: int | None, seen: ConsistencyToken | None) -> HistoryPart:
        self._check(seen)
        entries = [entry.encode() for entry in self._history(user_id)]
        return HistoryPart(entries[start:stop], len(entries), entries[0], self._token())

    async def count_recorded(self, user_id: str, at_ms: int, seen: ConsistencyToken | None) -> int:
        self._check(seen)
        return bisect_right(self._history(user_id), at_ms, key=lambda entry: entry.timestamp)

    async def not_ready_because(self) -> str | None:
        return self.unavailable

    def _active(self) -> list[User]:
        return [state for state, _, _ in self.users.values() if isinstance(state, User)]

    def _matching(self, filters: Filters, seen: ConsistencyToken | None) -> list[User]:
        users = self._active()
        if filters.email is not None:
            users = [user for user in users if self._owns(user, "email", filters.email, seen)]
        if filters.external_id is not None:
            users = [user for user in users if self._owns(user, "external_id", filters.external_id, seen)]
        return [user for user in users if _meets(Listing.of(user), filters)]

    def _owns(self, user: User, field: UniqueField, value: str, seen: ConsistencyToken | None) -> bool:
        return user == self._owner(field, value, seen)

    def _owner(self, field: UniqueField, value: str, seen: ConsistencyToken | None) -> User | None:
        claimants = [
            user for user in self._active() if (own := getattr(user, field)) and comparable(field, own) == value
        ]
        claimants.sort(key=lambda user: self.marks.get((value, user.id), (0, "")))
        return claimants[-1 if seen else 0] if claimants else None

    def _history(self, user_id: str) -> list[HistoryEntry]:
        if user_id not in self.histories:
            raise UserNotFound("No user has this id.")
        return self.histories[user_id]

    def _document(self, state: UserState) -> bytes | Missing:
        return state.to_json() if isinstance(state, User) else "deleted" if state else "unknown"

    def _token(self) -> str:
        offsets = {partition: position - 1 for partition, position in enumerate(self.positions) if position}
        return str(ConsistencyToken(LOG_ID, offsets))

    def _check(self, seen: ConsistencyToken | None) -> None:
        self.asked += 1
        if self.unavailable is not None:
            raise Unavailable(self.unavailable)
        if seen is None:
            return
        if seen.log_id != LOG_ID or max(seen.offsets) >= len(self.positions):
            raise WrongToken("another log")
        if not seen.reached_by((partition, self.positions[partition]) for partition in seen.offsets):
            raise NotYetVisible("too old")


def place(user: User, sort: Sort = "created_at") -> bytes:
    """Return the user's place in an order."""
    return Listing.of(user).member(sort, raw_id(user.id))


def _meets(listing: Listing, filters: Filters) -> bool:
    return (
        filters.status in (None, listing.status)
        and (filters.created_from is None or filters.created_from <= listing.created)
        and (filters.created_before is None or filters.created_before > listing.created)
        and (filters.updated_from is None or filters.updated_from <= listing.updated)
        and all(any(word.startswith(start) for word in listing.words) for start in filters.words)
    )


def make_user(number: int, *, created_at: str = "2026-11-24T08:30:00.123Z", **fields: object) -> User:
    """Make a user with an id and an address from a number."""
    values = {
        "id": f"01936e0a-7a3c-7d2e-9f4b-{number:012x}",
        "email": f"user{number}@example.org",
        "display_name": f"Üser {number}",
        "status": "active",
        "created_at": created_at,
        "updated_at": created_at,
        "version": 1,
        **fields,
    }
    return User.model_validate(values)
