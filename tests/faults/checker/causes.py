"""Had every refusal a cause, and is there one order that explains all answers about a user?"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from tests.faults.checker.linearizability import Step, linearizable
from tests.faults.checker.naive_log import tenures
from tests.faults.checker.story import Intent, Story, tells_of
from tests.faults.checker.user_model import NOBODY, State, step
from tests.faults.driver.history import Operation

_CONFLICT = 409
_UNAVAILABLE = 503


def check(story: Story) -> Iterator[str]:
    """Name every refusal without a cause and every user whose answers do not agree."""
    yield from _check_taken(story)
    for user, steps in _steps(story).items():
        if not linearizable(steps, NOBODY):
            yield f"no order of the {len(steps)} operations on user {user} explains their answers"


def _check_taken(story: Story) -> Iterator[str]:
    owners = owned(story)
    for operation in story.operations:
        if operation.status != _CONFLICT or not operation.body["type"].endswith(":value-taken"):
            continue
        address = operation.arguments["fields"]["email"]
        since = story.stale_since(operation)
        if not any(
            user != operation.user and began < operation.returned and ended > since
            for user, began, ended in owners[address]
        ):
            yield (
                f"no cause: {operation.action} {operation.id} was refused {address} at {operation.invoked:.3f} s, "
                "which nobody else had"
            )


def owned(story: Story) -> dict[str, list[tuple[str, float, float]]]:
    """Return for each address who may have had it from when until when."""
    found: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for tenure in tenures(story.told):
        ended = math.inf
        if tenure.until is not None and (intent := story.intent_of(tenure.until)) is not None:
            ended = intent.returned
        found[tenure.address].append((tenure.user, story.began(tenure.since), ended))
    return found


def _steps(story: Story) -> dict[str, list[Step[State]]]:
    steps: dict[str, list[Step[State]]] = defaultdict(list)
    for intent in story.intents:
        version = intent.accepted[0] if intent.accepted else None
        if version is not None:
            told = intent.first_success or replace(intent.attempts[0], outcome="info", body=None)
            # It did happen, though perhaps nobody was told: then at any time until the end.
            steps[version.event["subject"]].append(
                step(told, invoked=intent.invoked, returned=min(intent.returned, story.end))
            )
        for attempt in intent.attempts:
            if attempt.user is not None and _speaks_for_itself(intent, attempt):
                steps[attempt.user].append(step(attempt, invoked=story.stale_since(attempt)))
    return steps


def _speaks_for_itself(intent: Intent, attempt: Operation) -> bool:
    """Say whether an answer tells of the user's state beside what came of the intent: a refusal, or nothing to do."""
    if attempt.outcome == "fail":
        return attempt.status != _UNAVAILABLE
    return attempt.outcome == "ok" and not any(tells_of(attempt, version) for version in intent.accepted)
