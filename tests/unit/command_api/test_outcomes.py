"""202 and what it leads to: the outcome of a write that was sent and not yet heard of."""

from typing import Any

import pytest

from command_api import write_tokens
from read_models.write_calls import EventRef
from tests.memory_read_models import now_ms
from tests.sample_events import EPOCH, event_id, tick, user_id
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem
from user_directory_events import partition_of


async def pending(api: CommandApi, **behaviour: Any) -> tuple[str, EventRef]:
    """Register while something behind does not answer; return where the outcome is, and the event."""
    for name, value in behaviour.items():
        setattr(api.log, name, value)
    answer = await api.post("/users", JO)
    assert answer.status_code == 202
    location = answer.headers["location"]
    assert answer.json == {"status": "pending", "location": location}
    assert int(answer.headers["retry-after"]) >= 1
    return location, write_tokens.decode(location.removeprefix("/writes/"))


async def test_a_write_without_a_verdict_is_pending_and_its_outcome_can_be_read_later(api: CommandApi) -> None:
    location, event = await pending(api, projects=False)

    before = await api.get(location)
    api.projector.project_all()
    after = await api.get(location)

    assert before.status_code == 200
    assert before.json == {"status": "pending", "user_id": event.user_id, "version": 1}
    assert int(before.headers["retry-after"]) >= 1
    assert "consistency-token" not in before.headers
    assert after.json == {"status": "accepted", "user_id": event.user_id, "version": 1}
    assert after.headers["consistency-token"] == f"{api.projector.log_id}.{event.partition}-1"
    assert "retry-after" not in after.headers
    assert before.headers["cache-control"] == after.headers["cache-control"] == "no-store"


async def test_a_202_whose_offset_is_known_carries_a_consistency_token(api: CommandApi) -> None:
    api.log.projects = False
    known = await api.post("/users", JO)
    api.log.acknowledges = False
    unknown = await api.post("/users", JO | {"email": "joe@example.org"})

    assert (known.status_code, unknown.status_code) == (202, 202)
    assert known.headers["consistency-token"].startswith(api.projector.log_id)
    assert "consistency-token" not in unknown.headers


async def test_a_write_that_the_log_never_had_is_never_written_once_its_deadline_is_past(api: CommandApi) -> None:
    location, event = await pending(api, takes=False)
    assert (await api.get(location)).json["status"] == "pending"

    api.projector.append(tick(), event.deadline + 2001, event.partition)
    api.projector.project_all()

    assert (await api.get(location)).json["status"] == "never_written"
    # Nobody was refused or is held for its sake.
    api.log.takes = True
    assert (await api.post("/users", JO)).status_code == 201


async def test_a_write_under_an_epoch_that_is_over_is_never_written(api: CommandApi) -> None:
    location, _ = await pending(api, takes=False)

    api.open("epoch-2")

    assert (await api.get(location)).json["status"] == "never_written"


async def test_a_write_that_came_too_late_is_void(api: CommandApi) -> None:
    location, event = await pending(api, projects=False, stamp=lambda: now_ms() + 10_500)

    api.projector.project_all()

    assert event.deadline < now_ms() + 10_500
    assert (await api.get(location)).json["status"] == "void"


async def test_head_has_the_headers_without_the_body(api: CommandApi) -> None:
    location, _ = await pending(api, projects=False)

    answer = await api.send("HEAD", location, None)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "%00",
        "ü",
        write_tokens.encode(EventRef(event_id(), user_id(), 1, 99, 0, EPOCH)),
        write_tokens.encode(
            EventRef(event_id(), user_id(), 1, (partition_of(user_id(), SETTINGS.kafka_partitions) + 1) % 3, 0, EPOCH)
        ),
    ],
)
async def test_a_token_that_was_not_made_here_is_not_found(api: CommandApi, token: str) -> None:
    assert problem(await api.get(f"/writes/{token}")) == (404, "invalid-write-token", [])


async def test_while_a_write_is_pending_others_wait_for_it_and_are_told_to_come_again(api: CommandApi) -> None:
    await pending(api, projects=False)

    answer = await api.post("/users", JO)

    assert problem(answer) == (503, "service-unavailable", [])
    assert int(answer.headers["retry-after"]) >= 1
    assert len(api.log.sent) == 1
