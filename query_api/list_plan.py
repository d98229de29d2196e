"""Which pieces of which indexes answer a list; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from query_api.directory import ALL, Filters, ListQuery
from read_models.keys import WITHIN_ANY as KEYS
from read_models.keys import Sort
from read_models.list_calls import Condition, Range
from read_models.listing import time_bytes, word_range

MOST_CANDIDATES: Final = 10_000
"""The most users that one page or one count looks at."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A list as a walk: the piece of an index, which way, and what is left to be looked up of each user there."""

    where: Range
    downwards: bool
    condition: Condition


@dataclass(frozen=True, slots=True)
class Count:
    """A number of users: the members of the one range, less those of the others."""

    of: Range
    without: Sequence[Range] = ()


def walk(query: ListQuery) -> Walk:
    """Plan a page as a walk from its start."""
    filters, sort, start = query.filters, query.sort, query.start
    downwards = query.descending != (start is not None and start.backwards)
    where = _times(filters, sort) or Range(_index(filters, sort))
    if start is not None:
        where = where.meet(*((b"", start.boundary) if downwards else (start.boundary, b"")))
    left = condition(filters)
    if sort == "created_at":
        left = replace(left, created_from=None, created_before=None)
    if sort == "updated_at":
        left = replace(left, updated_from=None)
    if filters.status == "suspended":
        left = replace(left, status=None)
    return Walk(where, downwards, left)


def everybody() -> Range:
    """Return all users."""
    return Range(KEYS.sorted_by("created_at"))


def word_alone(query: ListQuery) -> str | None:
    """Return the one word, if nothing else is asked for but times of creation, by which the list is sorted."""
    others = replace(query.filters, words=(), created_from=None, created_before=None)
    if others != ALL or len(query.filters.words) != 1 or query.sort != "created_at":
        return None
    return query.filters.words[0]


def condition(filters: Filters) -> Condition:
    """Return the filters as a user's record can be held against them."""
    return Condition(filters.status, filters.created_from, filters.created_before, filters.updated_from, filters.words)


def candidates(filters: Filters) -> list[Range]:
    """Return the pieces of indexes each of which has all users that meet the filters; none: only a whole index has."""
    found = [Range(KEYS.words, *word_range(word)) for word in filters.words]
    found += filter(None, (_times(filters, "created_at"), _times(filters, "updated_at")))
    if filters.status == "suspended":
        found.append(Range(KEYS.suspended_by("created_at")))
    return found


def exact_count(filters: Filters) -> Count | None:
    """Return how the users who meet one filter are counted without looking at them; None: there are several filters."""
    suspended = Range(KEYS.suspended_by("created_at"))
    times = [_times(replace(filters, status=None), sort) for sort in ("created_at", "updated_at")]
    single: list[Count] = [Count(where) for where in times if where is not None]
    for word in filters.words:
        of_word = word_range(word)
        single.append(Count(Range(KEYS.words, *of_word), [Range(KEYS.shared_starts, *of_word)]))
    if filters.status is not None:
        single.append(Count(suspended) if filters.status == "suspended" else Count(everybody(), [suspended]))
    if len(single) > 1:
        return None
    return single[0] if single else Count(everybody())


def is_cheaper_gathered(candidates: int, walked: int, everybody: int, limit: int) -> bool:
    """Say whether to gather candidates instead of walking, through `walked` users at most, until `limit` are found.

    If the candidates are spread evenly, a walk meets one in `everybody / candidates` users, and not all are wanted.
    """
    return candidates <= min(MOST_CANDIDATES, walked) and candidates * candidates <= limit * everybody


def _times(filters: Filters, sort: Sort) -> Range | None:
    """Return the piece of the index by one time that the filters on this time leave; None: there are none."""
    if sort == "created_at":
        bounds: Sequence[int | None] = (filters.created_from, filters.created_before)
    elif sort == "updated_at":
        bounds = (filters.updated_from, None)
    else:
        return None
    if bounds == (None, None):
        return None
    return Range(_index(filters, sort), *(b"" if at is None else time_bytes(at) for at in bounds))


def _index(filters: Filters, sort: Sort) -> str:
    return KEYS.suspended_by(sort) if filters.status == "suspended" else KEYS.sorted_by(sort)
