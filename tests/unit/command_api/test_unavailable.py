"""When something behind is down: 503 before the append, 202 after it, and nothing lost or doubled."""

import pytest
from falcon.testing import Result

from command_api.settings import CommandSettings
from tests.memory_read_models import now_ms
from tests.sample_events import epoch_opened
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem
from user_directory_events import UserEvent


def unavailable(answer: Result) -> None:
    assert problem(answer) == (503, "service-unavailable", [])
    assert int(answer.headers["retry-after"]) >= 1


async def test_without_kafka_nothing_is_reserved_or_sent(api: CommandApi) -> None:
    api.log.up = False
    unavailable(await api.post("/users", JO))
    api.log.up = True

    assert (await api.post("/users", JO)).status_code == 201
    assert len(api.log.sent) == 1


async def test_without_redis_nothing_is_sent(api: CommandApi) -> None:
    path = await api.register()
    api.store.broken = True

    for answer in (
        await api.post("/users", JO | {"email": "joe@example.org"}),
        await api.patch(path, {"display_name": "Joe"}),
        await api.delete(path),
    ):
        unavailable(answer)
    assert len(api.log.sent) == 1

    api.store.broken = False
    assert (await api.patch(path, {"display_name": "Joe"})).status_code == 200


async def test_without_redis_an_outcome_cannot_be_told(api: CommandApi) -> None:
    api.log.projects = False
    location = (await api.post("/users", JO)).headers["location"]
    api.store.broken = True

    unavailable(await api.get(location))


async def test_before_the_guard_is_ready_nobody_is_refused_for_good() -> None:
    api = CommandApi()
    async with api.client:
        unavailable(await api.post("/users", JO))
        unavailable(await api.patch("/users/0192d3a0-5b6c-7def-8123-456789abcdef", {}))
        api.open()
        assert (await api.post("/users", JO)).status_code == 201


async def test_an_epoch_of_another_opener_stops_writes_until_it_is_declared_ready(api: CommandApi) -> None:
    api.projector.append(epoch_opened(epoch="epoch-2"), now_ms(), 1)
    api.projector.project_all()

    unavailable(await api.post("/users", JO))

    api.open("epoch-3")
    assert (await api.post("/users", JO)).status_code == 201


async def test_what_the_producer_does_not_send_is_given_back(api: CommandApi) -> None:
    api.log.refuses = True
    unavailable(await api.post("/users", JO))
    api.log.refuses = False

    # The same address at once: nothing is held any more.
    assert (await api.post("/users", JO)).status_code == 201


async def test_a_void_event_is_decided_anew(api: CommandApi) -> None:
    late = iter([now_ms() + 60_000])
    api.log.stamp = lambda: next(late, now_ms())

    answer = await api.post("/users", JO)

    assert (answer.status_code, answer.json["version"]) == (201, 1)
    first, second = api.log.sent
    assert first.id != second.id
    assert second.subject == answer.json["id"]


async def test_if_everything_stays_void_the_budget_ends_it_and_nothing_has_changed(api: CommandApi) -> None:
    path = await api.register()
    api.log.stamp = lambda: now_ms() + 60_000

    unavailable(await api.patch(path, {"display_name": "Joe"}))

    api.log.stamp = now_ms
    answer = await api.patch(path, {})
    assert (answer.json["version"], "display_name" in answer.json) == (1, False)


async def test_when_redis_goes_after_the_append_the_write_is_pending(api: CommandApi) -> None:
    def break_down(_: UserEvent) -> None:
        api.store.broken = True

    api.log.before_append = break_down

    answer = await api.post("/users", JO)

    assert answer.status_code == 202
    api.store.broken = False
    outcome = await api.get(answer.headers["location"])
    assert outcome.json["status"] == "accepted"


async def test_a_process_takes_on_no_more_writes_than_it_can(api: CommandApi) -> None:
    full = CommandApi(CommandSettings(**SETTINGS.model_dump() | {"max_writes_in_flight": 2}))
    full.open()
    full.log.projects = False
    async with full.client:
        answers = await full.at_once(*(full.post("/users", JO | {"email": f"{n}@example.org"}) for n in range(5)))
        assert sorted(answer.status_code for answer in answers) == [202, 202, 503, 503, 503]
        full.log.projects = True
        assert (await full.post("/users", JO)).status_code == 201


@pytest.mark.parametrize("down", ["kafka", "redis"])
async def test_readiness_names_what_is_down(api: CommandApi, down: str) -> None:
    assert (await api.get("/readyz")).status_code == 200
    api.log.up = down != "kafka"
    api.store.broken = down == "redis"

    answer = await api.get("/readyz")

    unavailable(answer)
    checks = answer.json["checks"]
    assert {name for name, reason in checks.items() if reason != "ok"} == {down}
    assert (await api.get("/healthz")).status_code == 200
