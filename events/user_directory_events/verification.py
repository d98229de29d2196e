"""What a log ought to be like, and `users` after it: pure, no clock, no socket."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from user_directory_events.log_verdicts import Judged
from user_directory_events.user import CannotEvolve, User, UserState, evolve
from user_directory_events.user_events import UserErased, UserEvent
from user_directory_events.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, by its kind, with the place or the user; never with personal data.

    Kinds: `gap` (events of a user are missing), `duplicate`, `unknown` (a schema of a newer release), `unfit` (an
    accepted event that does not fit the user), `difference` (the log and `users` disagree).
    """

    kind: str
    where: str
    detail: str


@dataclass
class Verification:
    """The log of record, folded."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    states: dict[str, UserState] = field(default_factory=dict)
    # Events are missing before these; that is right if the user was erased since.
    _gaps: dict[str, list[Finding]] = field(default_factory=dict)
    _unfit: set[str] = field(default_factory=set)

    def take(self, judged: Judged) -> None:
        """Take the next record of a partition."""
        self.counts["records"] += 1
        place = f"{judged.partition}-{judged.offset}"
        event = judged.record
        if judged.fault is not None:
            self.counts["undecodable"] += 1
        elif event is None:
            self.counts["tombstones"] += 1
        elif not isinstance(event, UserEvent):
            self.counts["control records"] += 1
        elif judged.duplicate:
            self.counts["duplicates"] += 1
            self.findings.append(Finding("duplicate", place, f"event {event.id} is there twice"))
        elif judged.verdict is Verdict.ACCEPTED:
            self.counts["accepted"] += 1
            self._apply(event, place)
        else:
            self._void(event, judged, place)

    def unknown(self, place: str, reason: str) -> None:
        """Take a record of a newer release, behind which its partition cannot be judged."""
        self.counts["unknown"] += 1
        self.findings.append(Finding("unknown", place, reason))

    def faults_of_the_log(self) -> list[Finding]:
        """Return what is wrong with the log by itself."""
        gaps = [finding for user, found in self._gaps.items() if not self._was_erased(user) for finding in found]
        return [*self.findings, *gaps]

    def differences(self, users: Mapping[str, User | None], among: AbstractSet[str] | None = None) -> list[Finding]:
        """Compare with what `users` holds; None: a tombstone.

        Args:
            users: the newest state of each user.
            among: the users to look at; None: all.
        """
        looked_at = self.states.keys() | users.keys() if among is None else among
        details = {u: _difference(self.states.get(u), users.get(u)) for u in sorted(looked_at - self._unfit)}
        return [Finding("difference", user_id, detail) for user_id, detail in details.items() if detail]

    def _apply(self, event: UserEvent, place: str) -> None:
        try:
            self.states[event.subject] = evolve(self.states.get(event.subject), event)
        except CannotEvolve as fault:
            self._unfit.add(event.subject)
            self.findings.append(Finding("unfit", place, f"user {event.subject}: {fault}"))
        if isinstance(event, UserErased):
            self._unfit.discard(event.subject)

    def _void(self, event: UserEvent, judged: Judged, place: str) -> None:
        self.counts["void"] += 1
        if judged.verdict is not None:
            self.counts[judged.verdict.value] += 1
        if judged.missing:
            detail = f"user {event.subject} has no version {event.sequence - judged.missing} before {event.sequence}"
            self._gaps.setdefault(event.subject, []).append(Finding("gap", place, detail))

    def _was_erased(self, user_id: str) -> bool:
        return getattr(self.states.get(user_id), "erased", False)


def _difference(log: UserState, told: User | None) -> str | None:
    if not isinstance(log, User):
        return None if told is None else f"gone in the log, version {told.version} in users"
    if told is None:
        return f"version {log.version} in the log, not in users"
    if log.version != told.version:
        return f"version {log.version} in the log, {told.version} in users"
    ours: dict[str, Any] = log.model_dump()
    fields = [name for name, value in told.model_dump().items() if ours[name] != value]
    return f"version {log.version}: {', '.join(fields)} differ" if fields else None
