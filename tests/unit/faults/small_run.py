"""A run without faults, made by hand: two users, an address passed on, reads. Tests spoil it and ask the checker."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tests.faults.checker import violations
from tests.faults.driver.evidence import Evidence, ReadModels, Record
from tests.faults.driver.history import Fault, Operation
from user_directory_events.timestamps import from_milliseconds

NOW = 1_795_000_000_000
EPOCH = "epoch-1"
LOG = "01a20cc7-d983-70c9-9ced-5fd013cc8fa6"
ANN, BOB = "01a20cc7-d983-70c9-9ced-000000000001", "01a20cc7-d983-70c9-9ced-000000000002"


def event_id(number: int) -> str:
    """Name an event."""
    return f"01a20cc7-d983-70c9-9cee-{number:012}"


@dataclass
class SmallRun:
    """What a checker gets; every event is appended ten milliseconds after the one before."""

    operations: list[Operation] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    log: list[Record] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    """The newest document of each user, None of a deleted one."""
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clock: float = 0.0

    def __post_init__(self) -> None:
        self.append({"type": "log.identity", "data": {"log_id": LOG, "partitions": 1}, "dataschema": "log.identity/1"})
        self.open_epoch(EPOCH)

    def open_epoch(self, epoch: str) -> None:
        """Append the record of an epoch."""
        self.append({"type": "log.epoch", "data": {"epoch": epoch}, "dataschema": "log.epoch/1"})

    def append(self, event: dict[str, Any], *, late: int = 0) -> dict[str, Any]:
        """Append a record; `late`: milliseconds by which the broker's stamp is past the deadline."""
        number = len(self.log)
        timestamp = NOW + 10 * number
        event = {
            "specversion": "1.0",
            "id": event_id(number),
            "source": "/user-directory",
            "time": from_milliseconds(timestamp),
            "datacontenttype": "application/json",
            **event,
        }
        if "subject" in event:
            event = {"deadline": from_milliseconds(timestamp - late if late else timestamp + 3000), **event}
        self.log.append(Record(0, number, timestamp, json.dumps(event)))
        return event

    def ask(self, action: str, user: str | None, status: int | None, body: Any = None, **more: Any) -> Operation:
        """Record an operation that takes a second."""
        arguments = {"fields": None, "if_match": None, "key": None, "seen": [], "email": None} | more
        self.clock += 1
        outcome = "ok" if status in (200, 201, 204) else "info" if status in (None, 202) else "fail"
        operation = Operation(f"request-{len(self.operations)}", 0, "api-1", action, user, arguments, self.clock)
        self.clock += 1
        operation.outcome, operation.status, operation.body = outcome, status, body  # type: ignore[assignment]
        if status is not None:
            operation.returned = self.clock
        self.operations.append(operation)
        return operation

    def write(self, action: str, user: str, type_: str, data: dict[str, Any], **more: Any) -> Operation:
        """Record a write that succeeds: its event, what the read models make of it, and the answer."""
        created = action.startswith("register")
        status = 201 if created else 204 if action == "delete" else 200
        operation = self.ask(action, None if action == "register" else user, status, fields=data or None, **more)
        before = self.documents.get(user) or {"id": user, "status": "active", "attributes": {}, "version": 0}
        version = len(self.histories.get(user, [])) + 1
        event = self.append(
            {
                "subject": user,
                "sequence": version,
                "epoch": EPOCH,
                "correlationid": operation.id,
                "type": type_,
                "dataschema": f"{type_}/1",
                "data": data,
            }
        )
        self.histories.setdefault(user, []).append({"version": version, "event_id": event["id"], "type": type_})
        after = {**before, **data, "updated_at": event["time"], "version": version}
        after.setdefault("created_at", event["time"])
        self.documents[user] = None if action == "delete" else after
        operation.body = self.documents[user]
        return operation

    def evidence(self) -> Evidence:
        """Return read models that agree with the log."""
        there = [document for document in self.documents.values() if document]
        owners: dict[str, list[dict[str, Any]]] = {document["email"]: [document] for document in there}
        answers = {user: (200, document) if document else (410, {}) for user, document in self.documents.items()}
        models = ReadModels(there, there, len(there), self.histories, answers, owners, dict(self.documents))
        return Evidence(self.log, models)

    def violations(self) -> list[str]:
        """Ask the checker."""
        return violations(self.operations, self.faults, self.evidence())


def location(event: str) -> str:
    """Return where the outcome of an event is told."""
    token = f"{event} {ANN} 1 0 {NOW} {EPOCH}".encode()
    return "/writes/" + base64.urlsafe_b64encode(token).decode().rstrip("=")


def good_run() -> SmallRun:
    """Make a run in which Ann's address goes to Bob."""
    run = SmallRun()
    registered = run.write("register", ANN, "user.registered", {"email": "a@example.org", "display_name": "Ann"})
    run.write("register_as", BOB, "user.registered", {"email": "b@example.org", "display_name": "Bob"})
    taken = {"type": "urn:user-directory:problem:value-taken"}
    run.ask("change", BOB, 409, taken, fields={"email": "a@example.org"})
    run.write("change", ANN, "user.updated", {"email": "c@example.org"}, if_match=1)
    run.write("change", BOB, "user.updated", {"email": "a@example.org"})
    run.ask("change", ANN, 412, {}, fields={"display_name": "X"}, if_match=1)
    run.ask("read", ANN, 200, run.documents[ANN], seen=[registered.id])
    run.ask("find", None, 200, {"items": [run.documents[BOB]]}, email="a@example.org")
    run.write("delete", ANN, "user.deleted", {})
    run.ask("read", ANN, 410)
    return run
