"""Was every answer to a write true, and is nothing lost, doubled or made up?"""

import base64
from collections.abc import Iterator

from tests.faults.checker.naive_log import Version
from tests.faults.checker.story import Intent, Story, tells_of
from tests.faults.driver.history import Operation

_EXPECTED = {
    "register": {201, 202, 409, 503},
    "register_as": {201, 202, 409, 412, 503},
    "change": {200, 202, 404, 409, 410, 412, 503},
    "delete": {204, 202, 404, 410, 412, 503},
    "suspend": {200, 202, 404, 410, 412, 503},
    "reinstate": {200, 202, 404, 410, 412, 503},
    "read": {200, 404, 410, 503},
    "find": {200, 503},
    "outcome": {200, 503},
}


def check(story: Story) -> Iterator[str]:
    """Name every answer that was not true."""
    for operation in story.operations:
        if operation.status is not None and operation.status not in _EXPECTED[operation.action]:
            yield f"unexpected status {operation.status} of {_name(operation)}: {operation.body}"
    for intent in story.intents:
        yield from _check_intent(story, intent)
    for versions in story.told.users.values():
        for version in versions:
            yield from _check_origin(story, version)
    yield from _check_outcomes(story)
    if story.told.copies:
        yield f"doubled: {story.told.copies} events are in the log twice"


def _check_intent(story: Story, intent: Intent) -> Iterator[str]:
    if len(intent.accepted) > 1:
        yield f"doubled: {_name(intent.attempts[0])} happened {len(intent.accepted)} times"
    refused = {attempt.id for attempt in intent.attempts if attempt.outcome == "fail"}
    for version in intent.accepted:
        if version.request in refused:
            attempt = story.by_id[version.request]
            yield f"refused with {attempt.status}, but happened: {_name(attempt)}"
    for attempt in intent.attempts:
        if attempt.outcome == "ok":
            yield from _check_success(story, intent, attempt)


def _check_success(story: Story, intent: Intent, attempt: Operation) -> Iterator[str]:
    if attempt.status in (201, 204) and not any(tells_of(attempt, version) for version in intent.accepted):
        yield f"lost: {attempt.status} of {_name(attempt)} is not in the log"
    elif attempt.body is not None:
        version = story.told.at(attempt.body["id"], attempt.body["version"])
        if version is None or version.document != attempt.body:
            yield f"lost: {attempt.status} of {_name(attempt)} showed {attempt.body}, which never was"


def _check_origin(story: Story, version: Version) -> Iterator[str]:
    intent = story.intent_of(version)
    if intent is None:
        yield f"made up: nobody asked for event {version.event['id']}"
        return
    asked = intent.attempts[0].arguments["fields"] or {}
    wrong = [name for name, value in version.event["data"].items() if asked.get(name) != value]
    if wrong:
        yield f"made up: event {version.event['id']} has other {', '.join(wrong)} than {_name(intent.attempts[0])}"


def _check_outcomes(story: Story) -> Iterator[str]:
    accepted = {version.event["id"]: version for versions in story.told.users.values() for version in versions}
    told: dict[str, str] = {}
    for operation in story.operations:
        if operation.action != "outcome" or operation.status != 200 or operation.body["status"] == "pending":
            continue
        location, status = operation.arguments["location"], operation.body["status"]
        # An event that was never written in time may be written still, and is void then: it did not happen, either way.
        if (told.setdefault(location, status) == "accepted") != (status == "accepted"):
            yield f"outcome changed from {told[location]} to {status}: {location}"
        version = accepted.get(_event_id(location))
        if (status == "accepted") != (version is not None):
            yield f"outcome {status}, but the log says otherwise: {location}"
        elif version is not None and version.number != operation.body["version"]:
            yield f"outcome names version {operation.body['version']}, the log {version.number}: {location}"
    for operation in story.operations:
        if operation.status == 202 and operation.headers["location"] not in told:
            yield f"outcome never known: {operation.headers['location']}"


def _event_id(location: str) -> str:
    """Read a write token, as docs/data-formats.md describes it."""
    token = location.rpartition("/")[2]
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split()[0]


def _name(operation: Operation) -> str:
    return f"{operation.action} {operation.id} of {operation.user or 'a new user'} at {operation.invoked:.3f} s"
