"""Operations and log brought together: what was meant by each request, and what came of it."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.checker.naive_log import Told, Version
from tests.faults.driver.history import Fault, Operation


@dataclass(slots=True)
class Intent:
    """What one client wanted once: a request, with its repetitions under the same idempotency key."""

    attempts: list[Operation]
    accepted: list[Version] = field(default_factory=list)
    """The accepted events that came of it; more than one is a fault."""
    returned: float = math.inf
    """When it had happened for certain, as far as clients know; infinite where they do not, or where it has not."""

    @property
    def invoked(self) -> float:
        """Return when it was asked for first."""
        return self.attempts[0].invoked

    @property
    def first_success(self) -> Operation | None:
        """Return the first answer that told of the accepted event."""
        return next((a for a in self.attempts if self.accepted and tells_of(a, self.accepted[0])), None)


@dataclass(slots=True)
class Story:
    """All that is known of a run."""

    operations: Sequence[Operation]
    faults: Sequence[Fault]
    told: Told
    intents: list[Intent]
    by_request: dict[str, Intent]
    by_id: dict[str, Operation]
    end: float

    def intent_of(self, version: Version) -> Intent | None:
        """Return whose event it was."""
        return self.by_request.get(version.request)

    def began(self, version: Version) -> float:
        """Return before when a version cannot have been there."""
        intent = self.intent_of(version)
        return intent.invoked if intent else -math.inf

    def version_shown(self, operation: Operation) -> int:
        """Return the version of its user that an answer tells of, or the token with it; 0 where there is none."""
        if operation.outcome == "ok" and isinstance(operation.body, dict) and "version" in operation.body:
            return int(operation.body["version"])
        if operation.status == 410:
            return len(self.told.users.get(operation.user or "", []))
        intent = self.by_request.get(operation.id)
        if operation.status in (202, 204) and intent and intent.accepted:
            return intent.accepted[0].number
        return 0

    def stale_since(self, operation: Operation) -> float:
        """Return since when an answer may have been decided: some processes may still talk to a deposed Redis."""
        deposed = [
            fault.began
            for fault in self.faults
            if operation.process in fault.details.get("deposed", ())
            and fault.began < operation.returned
            and operation.invoked < fault.ended + _RETARGETED_SECONDS
        ]
        return min([operation.invoked, *deposed])


_RETARGETED_SECONDS = 1.0


def bring_together(operations: Sequence[Operation], faults: Sequence[Fault], told: Told) -> Story:
    """Match attempts with accepted events."""
    groups: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.write:
            groups[operation.arguments["key"] or operation.id].append(operation)
    intents = [Intent(attempts) for attempts in groups.values()]
    by_request = {attempt.id: intent for intent in intents for attempt in intent.attempts}
    for versions in told.users.values():
        for version in versions:
            if (intent := by_request.get(version.request)) is not None:
                intent.accepted.append(version)
    by_id = {operation.id: operation for operation in operations}
    end = max((o.returned for o in operations if o.returned < math.inf), default=0.0)
    for intent in intents:
        success = intent.first_success
        if success is not None:
            intent.returned = success.returned
    for operation in operations:
        if operation.action == "outcome" and operation.status == 200 and operation.body["status"] == "accepted":
            intent = by_request[operation.arguments["of"]]
            intent.returned = min(intent.returned, operation.returned)
    return Story(operations, faults, told, intents, by_request, by_id, end)


def tells_of(attempt: Operation, version: Version) -> bool:
    """Say whether an answer tells that this event happened."""
    if attempt.outcome != "ok":
        return False
    if attempt.status == 204:
        return version.document is None
    return isinstance(attempt.body, dict) and attempt.body.get("version") == version.number
