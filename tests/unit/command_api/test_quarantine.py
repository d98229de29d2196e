"""Writes of a user whose events wait in quarantine."""

import pytest

from tests.memory_read_models import now_ms
from tests.sample_events import discard
from tests.unit.command_api.in_memory import JO, CommandApi, problem
from user_directory_events import UserRegistered, UserRegisteredData, new_event_id, partition_of
from user_directory_events.timestamps import ENDLESS, from_milliseconds

UNFIT = new_event_id()


@pytest.fixture
async def parked(api: CommandApi) -> str:
    """Register a user who then is registered again, by an event that no command makes; return the path."""
    path = await api.register()
    user = path.rpartition("/")[2]
    _append(api, user, UNFIT, 2, "second@example.org")
    return path


def _append(api: CommandApi, user: str, event_id: str, sequence: int, email: str) -> None:
    event = UserRegistered(
        id=event_id,
        time=from_milliseconds(now_ms()),
        subject=user,
        sequence=sequence,
        deadline=ENDLESS,
        epoch="epoch-1",
        data=UserRegisteredData(email=email, display_name="Jo"),
    )
    partition = partition_of(user, len(api.projector.partitions))
    api.projector.append(event, now_ms(), partition)
    api.projector.project(partition)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_nothing_is_decided_on_a_state_that_nobody_knows(api: CommandApi, parked: str, method: str) -> None:
    before = sum(map(len, api.projector.partitions))

    answer = await api.send(method, parked, {"display_name": "Joe"} if method == "PATCH" else None)

    assert problem(answer)[:2] == (503, "user-in-quarantine")
    assert int(answer.headers["retry-after"]) > 0
    assert sum(map(len, api.projector.partitions)) == before


async def test_other_users_are_written_but_for_the_values_that_the_quarantine_withholds(
    api: CommandApi, parked: str
) -> None:
    assert problem(await api.post("/users", JO | {"email": "second@example.org"})) == (409, "value-taken", ["/email"])
    assert problem(await api.post("/users", JO)) == (409, "value-taken", ["/email"])

    assert (await api.post("/users", JO | {"email": "other@example.org"})).status_code == 201


async def test_after_the_repair_the_user_is_written_again(api: CommandApi, parked: str) -> None:
    user = parked.rpartition("/")[2]
    partition = partition_of(user, len(api.projector.partitions))
    record = discard(UNFIT)
    data = record.data.model_copy(update={"user_id": user})
    api.projector.append(record.model_copy(update={"data": data}), now_ms(), partition)
    api.projector.project(partition)

    answer = await api.patch(parked, {"display_name": "Joe"}, If_Match='"2"')

    assert (answer.status_code, answer.json["version"], answer.json["email"]) == (200, 3, "jo@example.org")


async def test_a_request_repeated_under_its_key_has_the_first_answer_in_spite_of_the_quarantine(
    api: CommandApi,
) -> None:
    path = await api.register()
    first = await api.patch(path, {"display_name": "Joe"}, Idempotency_Key="k")
    _append(api, path.rpartition("/")[2], new_event_id(), 3, "second@example.org")

    again = await api.patch(path, {"display_name": "Joe"}, Idempotency_Key="k")

    assert (again.status_code, again.json) == (200, first.json)


async def test_a_user_in_quarantine_can_be_erased(api: CommandApi, parked: str) -> None:
    assert (await api.post(f"{parked}/erase", If_Match='"2"')).status_code == 204

    assert problem(await api.patch(parked, {"display_name": "Joe"})) == (410, "user-deleted", [])
    # What the quarantine withheld is free.
    assert (await api.post("/users", JO | {"email": "second@example.org"})).status_code == 201
