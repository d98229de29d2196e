"""What the log says, told again from docs/architecture.md and docs/data-formats.md by the plainest code there is.

Nothing of the product is imported: a fault in its rules must not be repeated here.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.faults.driver.evidence import Record

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """A user after an accepted event; `document` is None of one who was deleted."""

    number: int
    document: Document | None
    event: dict[str, Any]
    partition: int
    offset: int
    timestamp: int

    @property
    def request(self) -> str:
        """Return the id of the request that it came of."""
        return str(self.event.get("correlationid"))


@dataclass(slots=True)
class Told:
    """What the log tells."""

    users: dict[str, list[Version]] = field(default_factory=dict)
    """The versions of each user, from 1."""
    void: list[str] = field(default_factory=list)
    """Why events are void: `epoch`, `deadline`, `sequence`."""
    copies: int = 0
    """Events that are in the log a second time."""

    def at(self, user: str, number: int) -> Version | None:
        """Return a version of a user."""
        versions = self.users.get(user, [])
        return versions[number - 1] if 0 < number <= len(versions) else None


@dataclass(frozen=True, slots=True)
class Tenure:
    """A user's time with an address: from one version, until another one, if that is over."""

    address: str
    user: str
    since: Version
    until: Version | None


def tenures(told: Told) -> list[Tenure]:
    """Return who had which address when."""
    found = []
    for user, versions in told.users.items():
        since: Version | None = None
        address = None
        for version in versions:
            now = version.document["email"] if version.document else None
            if now == address:
                continue
            if address is not None and since is not None:
                found.append(Tenure(address, user, since, version))
            address, since = now, version
        if address is not None and since is not None:
            found.append(Tenure(address, user, since, None))
    return found


def tell(log: Iterable[Record]) -> Told:
    """Fold the log."""
    told = Told()
    epochs: dict[int, str] = {}
    seen: set[str] = set()
    for record in log:
        event = json.loads(record.value or "{}")
        if event.get("type") == "log.epoch":
            epochs[record.partition] = event["data"]["epoch"]
        if not event.get("type", "").startswith("user."):
            continue
        if event["id"] in seen:
            told.copies += 1
            continue
        seen.add(event["id"])
        versions = told.users.get(event["subject"], [])
        if event["epoch"] != epochs.get(record.partition):
            told.void.append("epoch")
        elif record.timestamp > _milliseconds(event["deadline"]):
            told.void.append("deadline")
        elif event["sequence"] != len(versions) + 1:
            told.void.append("sequence")
        else:
            after = _after(versions[-1].document if versions else None, event)
            version = Version(event["sequence"], after, event, record.partition, record.offset, record.timestamp)
            told.users.setdefault(event["subject"], []).append(version)
    return told


def _after(before: Document | None, event: dict[str, Any]) -> Document | None:
    """Return the document after an event."""
    if event["type"] in ("user.deleted", "user.erased"):
        return None
    if event["type"] == "user.registered":
        after: Document = {"id": event["subject"], "status": "active", "created_at": event["time"], "attributes": {}}
    else:
        assert before is not None, f"{event['type']} of a user who is not there, at sequence {event['sequence']}"
        after = dict(before)
    for name, value in event["data"].items():
        after[name] = value
        if value is None:
            del after[name]
    after.setdefault("attributes", {})
    status = {"user.suspended": "suspended", "user.reinstated": "active"}.get(event["type"])
    if status is not None:
        after["status"] = status
    return after | {"updated_at": event["time"], "version": event["sequence"]}


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
