"""Lists of users from the indexes in Redis.

Where an index in the order of the list holds just the users wanted, a page is a piece of it. So it is for a beginning
of few words, each of which has its users by creation. Else it is the cheaper of two ways, by the numbers of members:

- walk: look at the users in the order of the list until the page is full;
- gather: take all candidates from the index that has the fewest, sort those that meet the filters, cut the page.

A call looks at a few hundred users, so that Redis serves others in between; a page looks at `MOST_CANDIDATES` at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from query_api import list_plan
from query_api.directory import Filters, ListQuery, Start, UserCount, UserPage
from query_api.list_plan import MOST_CANDIDATES, Walk
from query_api.redis_reader import CallFor, RedisReader, token_of
from read_models import list_calls
from read_models.consistency import ConsistencyToken
from read_models.ids import RAW_BYTES
from read_models.keys import Sort
from read_models.list_calls import ANYBODY, Answer, Range
from read_models.listing import before, behind, member_from_record
from read_models.records import listing_and_document, split_record
from user_directory_events import UniqueField

_USERS_A_CALL: Final = 500
_MEMBERS_A_CALL: Final = 2000
_MOST_WORDS: Final = 100
_MEMBERS_PER_USER: Final = 10
_FEW_RECORDS: Final = 200

T = TypeVar("T", bound=Answer)


@dataclass(frozen=True, slots=True)
class _Found:
    """Records in the order of the walk; `further` is the boundary where it goes on, None: nothing is there."""

    records: Sequence[bytes]
    further: bytes | None


class RedisLists:
    """Answer lists and counts, see `Directory`."""

    def __init__(self, reader: RedisReader) -> None:
        self._reader = reader

    async def page(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        """List users."""
        answer = _AnswerInParts(self._reader, seen)
        found = await answer.page(query)
        documents = [split_record(record)[-1] for record in found.records]
        start = query.start
        backwards = start is not None and start.backwards
        further = None if found.further is None else Start(found.further, backwards)
        back = None if start is None else Start(start.boundary, not backwards)
        if backwards:
            return UserPage(documents[::-1], further, back, answer.token)
        return UserPage(documents, back, further, answer.token)

    async def count(self, filters: Filters, seen: ConsistencyToken | None) -> UserCount:
        """Count users."""
        answer = _AnswerInParts(self._reader, seen)
        count, at_least = await answer.count(filters)
        return UserCount(count, at_least, answer.token)


class _AnswerInParts:
    """One answer, made by several calls; `token` says how new the first of them is, which is the oldest."""

    def __init__(self, reader: RedisReader, seen: ConsistencyToken | None) -> None:
        self.token = ""
        self._reader = reader
        self._seen = seen

    async def page(self, query: ListQuery) -> _Found:
        plan = list_plan.walk(query)
        filters, limit = query.filters, query.limit
        if unique := _unique_values(filters):
            return await self._owned(query, plan, unique)
        if plan.condition == ANYBODY:
            return await self._walk(query, plan)
        if (word := list_plan.word_alone(query)) is not None:
            found = await self._by_word(plan, word, limit)
            if found is not None:
                return found
        candidates = list_plan.candidates(filters)
        if candidates:
            whole = list_plan.walk(replace(query, start=None)).where
            walked, everybody, *sizes = await self._measure([whole, list_plan.everybody(), *candidates])
            fewest = min(sizes)
            if list_plan.is_cheaper_gathered(fewest, walked, everybody, limit):
                found = await self._gather(query, plan, candidates[sizes.index(fewest)])
                if found is not None:
                    return found
        return await self._walk(query, plan)

    async def count(self, filters: Filters) -> tuple[int, bool]:
        """Return how many users there are, or how many at least."""
        if unique := _unique_values(filters):
            call = partial(list_calls.owners, values=unique, condition=list_plan.condition(filters))
            return len((await self._ask(call)).users), False
        exact = list_plan.exact_count(filters)
        if exact is not None:
            count, *without = await self._measure([exact.of, *exact.without])
            return count - sum(without), False
        candidates = list_plan.candidates(filters)
        sizes = await self._measure(candidates)
        users, complete = await self._users_in(candidates[sizes.index(min(sizes))])
        count = 0
        for first in range(0, len(users), _USERS_A_CALL):
            count += len((await self._pick(users[first : first + _USERS_A_CALL], filters, whole=False)).users)
        return count, not complete

    async def _owned(self, query: ListQuery, plan: Walk, unique: Sequence[tuple[UniqueField, str]]) -> _Found:
        """Return the one user who owns unique values, if the page is where the user stands."""
        call = partial(list_calls.owners, values=unique, condition=list_plan.condition(query.filters))
        picked = await self._ask(call)
        found = [
            record
            for user, record in zip(picked.users, picked.records, strict=True)
            if plan.where.holds(_member(query.sort, user, record))
        ]
        return _Found(found, None)

    async def _walk(self, query: ListQuery, plan: Walk) -> _Found:
        where, limit, looked = plan.where, query.limit, 0
        members: list[bytes] = []
        records: list[bytes] = []
        while True:
            # One more than the page has room for: whether anything follows.
            wanted = limit + 1 - len(members)
            most = wanted if plan.condition == ANYBODY else min(_USERS_A_CALL, MOST_CANDIDATES - looked)
            walked = await self._ask(
                partial(
                    list_calls.walk,
                    where=where,
                    downwards=plan.downwards,
                    condition=plan.condition,
                    most=most,
                    wanted=wanted,
                )
            )
            members += walked.members
            records += walked.records
            looked += walked.looked
            if len(members) > limit:
                return _Found(records[:limit], _beyond(query.sort, members[limit - 1], plan))
            if walked.edge is None:
                return _Found(records, None)
            if looked >= MOST_CANDIDATES:
                return _Found(records, _beyond(query.sort, walked.edge, plan))
            where = where.meet(*((b"", walked.edge) if plan.downwards else (walked.edge + b"\0", b"")))

    async def _by_word(self, plan: Walk, word: str, limit: int) -> _Found | None:
        """Return users with words that begin so, by creation; None: too many words do."""
        where, downwards = plan.where, plan.downwards
        members: list[bytes] = []
        while True:
            found = await self._ask(
                partial(
                    list_calls.word_members,
                    start=word,
                    where=where,
                    downwards=downwards,
                    most=limit + 1,
                    about=_MEMBERS_PER_USER * (limit + 1),
                    words=_MOST_WORDS,
                )
            )
            if found.members is None:
                return None
            # A user may have several words that begin so.
            some = sorted(set(found.members), reverse=downwards)
            # What is behind the last member read of a word may not be the next one.
            edge = (max if downwards else min)(found.last, default=None)
            members += some if edge is None else some[: some.index(edge) + 1]
            if edge is None or len(members) > limit:
                break
            where = where.meet(*((b"", edge) if downwards else (edge + b"\0", b"")))
        users = [member[-RAW_BYTES:] for member in members[:limit]]
        picked = await self._ask(partial(list_calls.pick, users=users, condition=plan.condition, whole=True))
        further = _beyond("created_at", members[limit - 1], plan) if len(members) > limit else None
        return _Found(picked.records, further)

    async def _gather(self, query: ListQuery, plan: Walk, candidates: Range) -> _Found | None:
        """Return a page of the users of a range; None: by now they are too many."""
        users, complete = await self._users_in(candidates)
        if not complete:
            return None
        # The head of a record does not tell the address.
        whole = len(users) <= _FEW_RECORDS or query.sort == "email"
        found: list[tuple[bytes, bytes, bytes]] = []
        for first in range(0, len(users), _USERS_A_CALL):
            picked = await self._pick(users[first : first + _USERS_A_CALL], query.filters, whole=whole)
            for user, record in zip(picked.users, picked.records, strict=True):
                member = _member(query.sort, user, record)
                if plan.where.holds(member):
                    found.append((member, user, record))
        found.sort(reverse=plan.downwards)
        further = _beyond(query.sort, found[query.limit - 1][0], plan) if len(found) > query.limit else None
        page = found[: query.limit]
        if whole or not page:
            return _Found([record for _, _, record in page], further)
        picked = await self._pick([user for _, user, _ in page], query.filters, whole=True)
        return _Found(picked.records, further)

    async def _users_in(self, where: Range) -> tuple[list[bytes], bool]:
        """Return the users of a range, by raw id, at most `MOST_CANDIDATES`; and whether these are all."""
        users: dict[bytes, None] = {}
        left = MOST_CANDIDATES
        while True:
            some = await self._ask(partial(list_calls.members, where=where, most=min(_MEMBERS_A_CALL, left + 1)))
            members: Sequence[bytes] = some.values
            users |= dict.fromkeys(member[-RAW_BYTES:] for member in members[:left])
            if len(members) > left:
                return list(users), False
            if len(members) < _MEMBERS_A_CALL:
                return list(users), True
            left -= len(members)
            where = where.meet(members[-1] + b"\0", b"")

    async def _pick(self, users: Sequence[bytes], filters: Filters, *, whole: bool) -> list_calls.Picked:
        condition = list_plan.condition(filters)
        return await self._ask(partial(list_calls.pick, users=users, condition=condition, whole=whole))

    async def _measure(self, ranges: Sequence[Range]) -> Sequence[int]:
        return (await self._ask(partial(list_calls.measure, ranges=ranges))).values

    async def _ask(self, call_for: CallFor[T]) -> T:
        reply, log_id = await self._reader.ask(call_for, self._seen)
        if not self.token:
            self.token = token_of(log_id, reply.positions)
        return reply


def _unique_values(filters: Filters) -> list[tuple[UniqueField, str]]:
    values: list[tuple[UniqueField, str | None]] = [("email", filters.email), ("external_id", filters.external_id)]
    return [(field, value) for field, value in values if value is not None]


def _member(sort: Sort, user: bytes, record: bytes) -> bytes:
    return member_from_record(sort, user, *listing_and_document(record))


def _beyond(sort: Sort, member: bytes, plan: Walk) -> bytes:
    """Return the boundary on the far side of a member."""
    return before(sort, member) if plan.downwards else behind(sort, member)
