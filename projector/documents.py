"""A user's document, event by event: what it shows, and which events wait because one of them could not be applied.

The version and the history follow the verdicts alone. The document and the indexes follow the events as far as they
can be applied; from the first that cannot on, the user's events wait in quarantine, in order, until an operator has
them tried again or discards some. Pure, as the rest of the projection.
"""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from read_models.calls import Argument
from read_models.ids import raw_id
from read_models.keys import GenerationKeys
from read_models.listing import Listing, claim_tail
from read_models.quarantine import Parked
from read_models.records import HistoryEntry, Shown, UserRecord
from user_directory_events import (
    CannotEvolve,
    UniqueField,
    User,
    UserErased,
    UserEvent,
    UserRegistered,
    UserState,
    UserUpdated,
    comparable,
    evolve,
)

Claims = dict[UniqueField, str]

_UNIQUE: tuple[UniqueField, ...] = ("email", "external_id")


class Recorded(NamedTuple):
    """An accepted event and its place in the log: offset, and the broker's timestamp in milliseconds."""

    event: UserEvent
    offset: int
    timestamp: int

    @classmethod
    def of(cls, entry: bytes, user_id: str) -> "Recorded":
        """Read an entry of a history."""
        decoded = HistoryEntry.decode(entry)
        return cls(decoded.event(user_id), decoded.offset, decoded.timestamp)

    def claims(self) -> Iterator[tuple[UniqueField, bytes]]:
        """Give the members of the indexes of waiting claims that the event has while it waits."""
        if isinstance(self.event, UserRegistered | UserUpdated):
            tail = claim_tail(self.timestamp, self.event.id, self.event.subject)
            for name in _UNIQUE:
                if (value := getattr(self.event.data, name)) is not None:
                    yield name, comparable(name, value).encode() + b"\0" + tail


@dataclass(slots=True)
class UserDocument:
    """One user's document while a batch is folded.

    `version` and `offset` are those of the newest event that it shows; `listing`, `claims` and `document`, which is the
    JSON that readers get, are those of the state.
    `recorded` are the user's accepted events that are at hand, in order: all that wait, or all there are.
    """

    user_id: str
    state: UserState
    version: int
    offset: int
    discarded: set[int]
    recorded: list[Recorded]
    claims: Claims
    listing: Listing | None = None
    document: bytes = b""
    parked: Parked | None = None
    claim_tails: dict[UniqueField, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, user_id: str, record: UserRecord, history: Iterable[bytes]) -> "UserDocument":
        """Begin with what Redis holds.

        Args:
            user_id: the user.
            record: the user's record.
            history: the entries of the history behind the version that the record shows, or all of them; needed of a
                user in quarantine, and all of one whose events are discarded.
        """
        state = record.state(user_id)
        shown = record.shown or Shown(record.version, record.offset, None)
        recorded = [Recorded.of(entry, user_id) for entry in history]
        # Later ones are of this very batch, which may have been written in part before.
        recorded = [one for one in recorded if one.event.sequence <= record.version]
        listing = Listing.of(state) if isinstance(state, User) else None
        return cls(
            user_id,
            state,
            shown.version,
            shown.offset,
            set(shown.discarded),
            recorded,
            claims_of(state),
            listing,
            record.document,
        )

    @property
    def waiting(self) -> list[Recorded]:
        """Return the events that wait."""
        return [one for one in self.recorded if one.event.sequence > self.version]

    def shown(self, version: int) -> Shown | None:
        """Return what sets the document apart from one that simply shows all events up to the user's version."""
        if self.version == version and not self.discarded:
            return None
        waiting = self.waiting
        return Shown(self.version, self.offset, waiting[0].offset if waiting else None, tuple(sorted(self.discarded)))

    def accept(self, recorded: Recorded) -> str | None:
        """Add an accepted event; return why it waits, None if the document shows it."""
        if isinstance(recorded.event, UserErased):
            # It fits any state, and nothing of the user is to stay, not even in quarantine.
            self.state, self.document, self.recorded, self.parked = None, b"", [], None
            self.discarded.clear()
        waits = bool(self.recorded) and self.recorded[-1].event.sequence > self.version
        self.recorded.append(recorded)
        if waits:
            return "waits behind an earlier event"
        return self._show(recorded)

    def replay(self) -> None:
        """Try the events again that wait."""
        for one in self.waiting:
            if self._show(one) is not None:
                return

    def discard(self, event_ids: Iterable[str]) -> None:
        """Let events change nothing, from now on and looking back; all of the history must be at hand.

        Looking back, since another release may have been able to apply them: the outcome must not depend on it.
        """
        ids = set(event_ids)
        found = {one.event.sequence for one in self.recorded if one.event.id in ids}
        if found <= self.discarded or isinstance(self.recorded[0].event, UserErased):
            return
        self.discarded |= found
        self.state, self.document, self.claims, self.listing, self.claim_tails = None, b"", {}, None, {}
        self.version, self.offset, self.parked = 0, -1, None
        self.replay()

    def _show(self, recorded: Recorded) -> str | None:
        event = recorded.event
        if event.sequence in self.discarded:
            if self.state is not None:
                self.state = self.state.model_copy(update={"version": event.sequence})
                self.document = _document(self.state)
        else:
            try:
                self._apply(recorded)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the calculation is pure: it would fail so each time
                reason = _reason(event, error)
                self.parked = Parked(self.user_id, recorded.timestamp, event.sequence, reason)
                return reason
        self.version, self.offset, self.parked = event.sequence, recorded.offset, None
        return None

    def _apply(self, recorded: Recorded) -> None:
        event = recorded.event
        state = evolve(self.state, event)
        listing, claims = (Listing.of(state), claims_of(state)) if isinstance(state, User) else (None, {})
        document = _document(state)
        if claims != self.claims:
            tail = claim_tail(recorded.timestamp, event.id, event.subject)
            self.claim_tails |= {name: tail for name, value in claims.items() if self.claims.get(name) != value}
        self.state, self.listing, self.claims, self.document = state, listing, claims, document


def _document(state: UserState) -> bytes:
    return state.to_json() if isinstance(state, User) else b""


def _reason(event: UserEvent, error: Exception) -> str:
    if isinstance(error, CannotEvolve):
        return str(error)
    # The message may hold personal data; where it was raised tells a developer as much.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{event.type}: {type(error).__name__} in {PurePath(frame.filename).name}, line {frame.lineno}"


def claims_of(state: UserState) -> Claims:
    """Return the unique values that a state claims, in their comparable form."""
    if not isinstance(state, User):
        return {}
    claims: Claims = {"email": comparable("email", state.email)}
    if state.external_id is not None:
        claims["external_id"] = comparable("external_id", state.external_id)
    return claims


def quarantine_changes(
    users: Sequence[tuple[list[Recorded], UserDocument]], keys: GenerationKeys
) -> Iterator[tuple[str, Sequence[Argument]]]:
    """Write who is in quarantine, and which unique values the events there claim.

    What an event claims that waits is withheld from others at once, and what its user has is given up only when it is
    applied: so whatever an operator decides, no value has two owners. It must come before the histories are changed,
    from which the events that waited are known.

    Args:
        users: for each user the events that waited before the batch, and the document after it.
        keys: the keys of the generation.
    """
    for waiting_before, document in users:
        # Most often nobody waits: neither before, nor because of this batch.
        if not waiting_before and document.parked is None:
            continue
        waiting = document.waiting
        raw = raw_id(document.user_id)
        before, now = (
            {(keys.waiting_claims(name), member) for one in some for name, member in one.claims()}
            for some in (waiting_before, waiting)
        )
        for key, member in sorted(before - now):
            yield "ZREM", (key, member)
        for key, member in sorted(now - before):
            yield "ZADD", (key, 0, member)
        if document.parked is not None:
            yield "HSET", (keys.quarantine, raw, document.parked.encode())
        elif waiting_before and not waiting:
            yield "HDEL", (keys.quarantine, raw)
