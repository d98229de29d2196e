"""A request can be followed by its id and its trace from HTTP through the log into the projector's own log."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.log_reader import events_of
from tests.e2e.people import person
from tests.e2e.processes import eventually
from tests.stack import Stack

TRACE = "0af7651916cd43dd8448eb211c80319c"


def lines(log: Path, message: str, **fields: str) -> list[dict[str, Any]]:
    """Return the log's lines with this message and these fields."""
    parsed = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line for line in parsed if line["message"] == message and fields.items() <= line.items()]


def test_request_id_and_trace_go_from_the_request_into_the_event_and_both_logs(
    stack: Stack, command: httpx.Client
) -> None:
    request_id = f"test-{uuid.uuid4().hex}"
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    answer = command.post("/users", json=person(), headers={"X-Request-ID": request_id, "traceparent": parent})
    assert answer.headers["X-Request-ID"] == request_id

    (event,) = events_of(stack, answer.json()["id"])
    assert event.correlationid == request_id
    assert event.traceparent is not None
    version, trace, span, flags = event.traceparent.split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != "b7ad6b7169203331"

    expected = {"correlation_id": request_id, "traceparent": event.traceparent, "event_id": event.id}
    eventually(lambda: bool(lines(stack.projector.log, "event projected", **expected)), "the projector's line", 5)
    (access,) = lines(stack.command_api.log, "request", request_id=request_id)
    assert (access["traceparent"], access["status"], access["route"]) == (event.traceparent, 201, "/users")


def test_no_log_holds_what_identifies_a_person(stack: Stack, command: httpx.Client, query: httpx.Client) -> None:
    body = person(external_id=uuid.uuid4().hex)
    user = command.post("/users", json=body).json()
    command.post("/users", json=body)
    command.post("/users", json=body | {"email": body["email"] + "@"})
    query.get(f"/users?email={body['email']}")
    command.delete(f"/users/{user['id']}")
    for process in stack.processes:
        text = process.log.read_text()
        assert text
        assert body["email"] not in text
        assert body["email"].split("@")[0] not in text
        assert body["external_id"] not in text
        assert "Ångström" not in text
