"""What other systems read of what clients did, by the processes as shipped."""

from collections.abc import Callable

import httpx

from tests.e2e.log_reader import user_logs
from tests.e2e.people import Body, person
from tests.e2e.processes import eventually, metric
from tests.e2e.public_topics import changes, committed, states
from tests.stack import Stack
from user_directory_events.user import User

HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def test_each_change_is_told_once_and_the_state_is_the_document(
    stack: Stack, command: httpx.Client, query: httpx.Client, register: Callable[..., Body]
) -> None:
    ada, gone = register(), register()
    command.patch(f"/users/{ada['id']}", json={"display_name": "Countess"}, headers=HEADERS).raise_for_status()
    command.post(f"/users/{ada['id']}/suspend").raise_for_status()
    command.delete(f"/users/{gone['id']}").raise_for_status()
    refused = command.post("/users", json=person(email=ada["email"]))
    assert refused.status_code == 409

    def told(user: Body) -> list[str]:
        return [event.type for event in changes(stack) if event.subject == user["id"]]

    eventually(lambda: len(told(ada)) >= 3 and len(told(gone)) >= 2, "the changes are told")
    assert told(ada) == ["user.registered", "user.updated", "user.suspended"]
    assert told(gone) == ["user.registered", "user.deleted"]
    [update] = [event for event in changes(stack) if event.subject == ada["id"] and event.type == "user.updated"]
    assert update.traceparent is not None
    assert update.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    newest = states(stack)
    assert newest[ada["id"]] == User.model_validate(query.get(f"/users/{ada['id']}").json())
    assert newest[gone["id"]] is None


def test_what_the_log_says_by_the_verdict_rules_is_what_is_told(stack: Stack, register: Callable[..., Body]) -> None:
    last = register()["id"]
    eventually(lambda: last in {event.subject for event in changes(stack)}, "the last change is told")

    logs = user_logs(stack)
    accepted = {user_id: [event.id for event in log.accepted] for user_id, log in logs.items() if log.accepted}
    told: dict[str, list[str]] = {}
    for event in changes(stack):
        told.setdefault(event.subject, []).append(event.id)
    # Of who was erased it depends on when that was how much had been told before.
    told = {user_id: events[-1:] if logs[user_id].erased else events for user_id, events in told.items()}
    assert told == accepted


def test_others_learn_nothing_that_only_the_protocol_needs(stack: Stack, command: httpx.Client) -> None:
    body = person()
    user = command.post("/users", json=body, headers={"Idempotency-Key": "secret-key"}).raise_for_status().json()
    eventually(lambda: user["id"] in states(stack), "the state is told")
    [record] = [r for _, r in committed(stack, stack.changes_topic) if r.key.decode() == user["id"]]
    for private in (b"secret-key", b"idempotency", b"deadline", b"epoch"):
        assert private not in record.value
    assert dict(record.headers) == {"content-type": b"application/cloudevents+json"}


def test_the_relay_tells_what_it_does(stack: Stack, register: Callable[..., Body]) -> None:
    before = metric(stack.relay_url, "relay_events_total", outcome="relayed")
    register()
    eventually(
        lambda: metric(stack.relay_url, "relay_events_total", outcome="relayed") > before, "the event is counted"
    )
    assert metric(stack.relay_url, "relay_transaction_duration_seconds_count") > 0
    assert metric(stack.relay_url, "relay_delay_seconds_count") > 0
    eventually(lambda: metric(stack.relay_url, "relay_lag_records") == 0, "the relay is caught up")
    ready = httpx.get(f"{stack.relay_url}/readyz", trust_env=False)
    assert ready.json() == {"status": "ready", "checks": {"loop": "ok", "partitions": "ok"}}
