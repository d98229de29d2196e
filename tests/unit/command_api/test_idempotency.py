import pytest
from falcon.testing import Result

from read_models.records import HistoryEntry
from tests.unit.command_api.in_memory import JO, CommandApi, problem


def same(one: Result, other: Result) -> bool:
    names = ("etag", "location", "consistency-token")
    return (one.status_code, one.content, [one.headers.get(name) for name in names]) == (
        other.status_code,
        other.content,
        [other.headers.get(name) for name in names],
    )


async def test_the_same_request_under_the_same_key_has_the_first_outcome(api: CommandApi) -> None:
    first = await api.post("/users", JO, Idempotency_Key="key-1")
    second = await api.post("/users", JO, Idempotency_Key="key-1")

    assert first.status_code == 201
    assert same(first, second)
    assert len(api.log.sent) == 1


async def test_the_first_outcome_is_told_as_it_was_though_the_user_has_changed_since(api: CommandApi) -> None:
    first = await api.post("/users", JO, Idempotency_Key="key-1")
    path = first.headers["location"]
    change = await api.patch(path, {"display_name": "Joe"}, Idempotency_Key="key-2")
    await api.patch(path, {"display_name": "Jill"})
    await api.delete(path)

    assert same(first, await api.post("/users", JO, Idempotency_Key="key-1"))
    assert same(change, await api.patch(path, {"display_name": "Joe"}, Idempotency_Key="key-2"))
    assert len(api.log.sent) == 4


@pytest.mark.parametrize("suffix", ["", "/suspend"])
async def test_a_repeated_deletion_or_suspension_happens_once(api: CommandApi, suffix: str) -> None:
    path = await api.register()
    method = "POST" if suffix else "DELETE"

    first = await api.send(method, path + suffix, None, Idempotency_Key="key-1")
    second = await api.send(method, path + suffix, None, Idempotency_Key="key-1")

    assert same(first, second)
    assert len(api.log.sent) == 2


async def test_another_request_under_the_key_is_refused(api: CommandApi) -> None:
    first = await api.post("/users", JO, Idempotency_Key="key-1")
    path = first.headers["location"]

    for other in (
        await api.post("/users", JO | {"display_name": "Joe"}, Idempotency_Key="key-1"),
        await api.patch(path, JO, Idempotency_Key="key-1"),
        await api.post(path + "/suspend", Idempotency_Key="key-1"),
        await api.delete(path, Idempotency_Key="key-1"),
    ):
        assert problem(other) == (422, "idempotency-key-reused", [])
    assert len(api.log.sent) == 1


async def test_many_copies_at_once_make_one_user(api: CommandApi) -> None:
    answers = await api.at_once(*(api.post("/users", JO, Idempotency_Key="key-1") for _ in range(10)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(api.log.sent) == 1


async def test_a_copy_of_a_pending_request_is_pending_too_and_leads_to_the_same_write(api: CommandApi) -> None:
    api.log.projects = False
    first = await api.post("/users", JO, Idempotency_Key="key-1")
    second = await api.post("/users", JO, Idempotency_Key="key-1")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["location"] == second.headers["location"]
    assert len(api.log.sent) == 1

    api.projector.project_all()
    assert (await api.post("/users", JO, Idempotency_Key="key-1")).status_code == 201


async def test_a_refusal_is_judged_anew(api: CommandApi) -> None:
    path = await api.register()
    assert (await api.post("/users", JO, Idempotency_Key="key-1")).status_code == 409
    await api.delete(path)

    assert (await api.post("/users", JO, Idempotency_Key="key-1")).status_code == 201


async def test_a_key_is_spent_only_by_an_event(api: CommandApi) -> None:
    path = await api.register()
    assert (await api.patch(path, {}, Idempotency_Key="key-1")).status_code == 200

    assert (await api.patch(path, {"display_name": "Joe"}, Idempotency_Key="key-1")).json["version"] == 2


@pytest.mark.parametrize("key", ["!", "x" * 255, "550e8400-e29b-41d4-a716-446655440000", '"quoted"', "a:b"])
async def test_any_visible_ascii_is_a_key(api: CommandApi, key: str) -> None:
    first = await api.post("/users", JO, Idempotency_Key=key)

    assert same(first, await api.post("/users", JO, Idempotency_Key=key))


async def test_a_first_outcome_that_only_a_newer_release_can_read_is_answered_503(
    api: CommandApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.post("/users", JO, Idempotency_Key="key-1")
    read = api.store.history

    async def of_the_next_release(user_id: str, up_to: int) -> list[HistoryEntry]:
        return [entry._replace(schema="user.registered/2") for entry in await read(user_id, up_to)]

    monkeypatch.setattr(api.store, "history", of_the_next_release)
    answer = await api.post("/users", JO, Idempotency_Key="key-1")

    assert problem(answer) == (503, "service-unavailable", [])
    assert int(answer.headers["retry-after"]) > 0
    assert len(api.log.sent) == 1
