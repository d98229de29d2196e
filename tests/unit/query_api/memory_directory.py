"""The directory in memory: what the app is tested with, and what the real one is compared with."""

from query_api.directory import (
    FoundUser,
    ListQuery,
    NotYetVisible,
    Unavailable,
    UserGone,
    UserNotFound,
    UserPage,
    WrongToken,
)
from read_models.consistency import ConsistencyToken, token
from user_directory_events import Gone, User, UserState, comparable_email

LOG_ID = "01936e09-11aa-7b22-8c33-1d44e55f6677"


class MemoryDirectory:
    """A `Directory` over a dictionary; `positions` are the next positions of the partitions."""

    def __init__(self, partitions: int = 3) -> None:
        self.users: dict[str, tuple[UserState, int, int]] = {}
        self.positions = [1] * partitions
        self.marks: dict[tuple[str, str], tuple[int, str]] = {}
        self.unavailable: str | None = None
        self.asked = 0

    def put(self, state: User | Gone, partition: int = 0, offset: int | None = None) -> None:
        offset = self.positions[partition] if offset is None else offset
        self.users[state.id] = (state, partition, offset)
        self.positions[partition] = max(self.positions[partition], offset + 1)

    async def user(self, user_id: str, seen: ConsistencyToken | None) -> FoundUser:
        self._check(seen)
        state, partition, offset = self.users.get(user_id, (None, 0, 0))
        if state is None:
            raise UserNotFound("No user has this id.")
        if isinstance(state, Gone):
            raise UserGone("The user was deleted.")
        return FoundUser(state.to_json(), str(state.version), token(LOG_ID, partition, offset))

    async def owner_of_email(self, comparable: str, seen: ConsistencyToken | None) -> UserPage:
        self._check(seen)
        claimants = [user for user in self._active() if comparable_email(user.email) == comparable]
        claimants.sort(key=lambda user: self.marks.get((comparable, user.id), (0, "")))
        return self._page(claimants[:1], None)

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        self._check(seen)
        users = sorted(self._active(), key=place, reverse=query.newest_first)
        if query.after is not None:
            after = query.after
            users = [user for user in users if (place(user) < after if query.newest_first else place(user) > after)]
        page = users[: query.limit]
        return self._page(page, place(page[-1]) if len(users) > query.limit else None)

    async def not_ready_because(self) -> str | None:
        return self.unavailable

    def _active(self) -> list[User]:
        return [state for state, _, _ in self.users.values() if isinstance(state, User)]

    def _page(self, users: list[User], last: str | None) -> UserPage:
        offsets = {partition: position - 1 for partition, position in enumerate(self.positions) if position}
        return UserPage([user.to_json() for user in users], last, str(ConsistencyToken(LOG_ID, offsets)))

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


def place(user: User) -> str:
    """Return the user's place in the order of creation."""
    return user.created_at + user.id


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
