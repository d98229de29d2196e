"""Random lives of a few users, and what lists of them are by definition: a dictionary, filtered and sorted."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from query_api.directory import Filters
from read_models.keys import Sort
from read_models.listing import instant
from read_models.words import words_of
from tests.sample_events import NOW, envelope, user_id
from user_directory_events import (
    Gone,
    Name,
    User,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
    comparable,
    evolve,
)
from user_directory_events.timestamps import from_milliseconds, to_milliseconds

# Few people, moments and words, so that they meet; words that begin alike, and words of many scripts.
PEOPLE, MOMENTS = 12, 5
NAMES = ["Ann", "Anna", "Anne-Marie", "ÁNNA", "Мария", "Μαρία", "محمد", "山田", "Đặng", "Işık", "O'Neill", "हिन्दी", "!"]
WORDS = ["ann", "anna", "an", "м", "мария", "μαρ", "مح", "山", "dang", "isik", "o", "example", "x1", "हिनदी", "nobody"]
ADDRESSES = [f"{start}x{number}@example.org" for number in range(PEOPLE) for start in ("", "Ann.")]
EXTERNAL_IDS = ["hr-1", "hr-2"]

names = st.builds(Name, given=st.sampled_from(NAMES), family=st.none() | st.sampled_from(NAMES)) | st.builds(
    Name, formatted=st.sampled_from(NAMES)
)
moments = st.integers(0, MOMENTS).map(lambda number: from_milliseconds(NOW + number))


@dataclass(frozen=True)
class Step:
    """Something that happens to one of them, if it can."""

    person: int
    kind: type[UserEvent]
    time: str
    name: Name | None
    display_name: str | None
    address: int
    external_id: str | None


steps = st.builds(
    Step,
    person=st.integers(0, PEOPLE - 1),
    kind=st.sampled_from(
        [UserRegistered] * 8 + [UserUpdated] * 4 + [UserSuspended] * 3 + [UserReinstated, UserDeleted, UserErased]
    ),
    time=moments,
    name=st.none() | names,
    display_name=st.none() | st.sampled_from(NAMES),
    address=st.integers(0, 1),
    external_id=st.none() | st.sampled_from(EXTERNAL_IDS),
)


@dataclass
class People:
    """Everybody who was ever registered, by id."""

    states: dict[str, User | Gone] = field(default_factory=dict)
    events: int = 0

    def event(self, step: Step) -> UserEvent | None:
        """Make the event of a step and note what it leads to; None: it does not fit now."""
        state = self.states.get(user_id(step.person))
        if isinstance(state, Gone) or (state is None) != (step.kind is UserRegistered):
            return None
        owner = {user.external_id: user.id for user in self.present()}
        external_id = step.external_id
        if owner.get(external_id, user_id(step.person)) != user_id(step.person):
            external_id = None
        fields: dict[str, Any] = {
            "email": ADDRESSES[2 * step.person + step.address],
            "name": step.name,
            "display_name": step.display_name,
            "external_id": external_id,
        }
        self.events += 1
        attributes = envelope(self.events, user=step.person, sequence=state.version + 1 if state else 1, time=step.time)
        event: UserEvent
        if step.kind is UserRegistered:
            event = UserRegistered(**attributes, data=UserRegisteredData(**fields))
        elif step.kind is UserUpdated:
            event = UserUpdated(**attributes, data=UserUpdatedData(**fields))
        else:
            event = step.kind(**attributes)
        self.states[event.subject] = evolve(state, event)
        return event

    def state(self, event: UserEvent) -> User | Gone:
        """Return what an event of theirs led to."""
        return self.states[event.subject]

    def present(self) -> list[User]:
        """Return those who are there now."""
        return [state for state in self.states.values() if isinstance(state, User)]

    def matching(self, filters: Filters) -> list[User]:
        """Return those who meet the filters."""
        return [user for user in self.present() if matches(user, filters)]


def matches(user: User, filters: Filters) -> bool:
    """Say whether a user meets the filters."""
    name = user.name or Name()
    texts = [name.given, name.family, name.formatted, user.display_name, user.email]
    words = [word for text in texts if text for word in words_of(text)]
    created, updated = (instant(to_milliseconds(time)) for time in (user.created_at, user.updated_at))
    return all(
        [
            filters.email is None or comparable("email", user.email) == filters.email,
            filters.external_id is None or user.external_id == filters.external_id,
            filters.status is None or user.status == filters.status,
            all(any(word.startswith(start) for word in words) for start in filters.words),
            filters.created_from is None or created >= filters.created_from,
            filters.created_before is None or created < filters.created_before,
            filters.updated_from is None or updated >= filters.updated_from,
        ]
    )


def sort_key(user: User, sort: Sort) -> tuple[str, str]:
    """Return what a user is sorted by."""
    match sort:
        case "created_at":
            return user.created_at, user.id
        case "updated_at":
            return user.updated_at, user.id
        case "email":
            return comparable("email", user.email), user.id
        case "name":
            name = user.name or Name()
            spoken = name.formatted or " ".join(part for part in (name.given, name.family) if part)
            return " ".join(words_of(spoken or user.display_name or "")), user.id


instants = st.integers(-1, MOMENTS + 1).map(lambda number: instant(NOW + number))
any_filters = st.builds(
    Filters,
    email=st.sampled_from([None] * 9 + [comparable("email", address) for address in ADDRESSES[:4]]),
    external_id=st.sampled_from([None] * 9 + EXTERNAL_IDS),
    status=st.sampled_from([None, None, "active", "suspended"]),
    words=st.sampled_from([(), (), *((word,) for word in WORDS), ("ann", "мария"), ("dang", "example", "isik")]),
    created_from=st.none() | instants,
    created_before=st.none() | instants,
    updated_from=st.none() | instants,
)
