from typing import Any

import pytest

from command_api.settings import CommandSettings
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem

ID = "0192d3a0-5b6c-7def-8123-456789abcdef"
CHANGES = [
    ("PATCH", "", {"display_name": "Joe"}),
    ("PUT", "", JO | {"display_name": "Joe"}),
    ("DELETE", "", None),
    ("POST", "/suspend", None),
]
every_change = pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)


async def test_a_patch_answers_with_the_user_after_it(api: CommandApi) -> None:
    path = await api.register(external_id="hr-1", attributes={"team": "north", "room": 7})

    answer = await api.patch(path, {"external_id": None, "attributes": {"room": None, "desk": 1}, "display_name": "Jo"})

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json["version"] == 2
    assert answer.json["display_name"] == "Jo"
    assert answer.json["attributes"] == {"team": "north", "desk": 1}
    assert "external_id" not in answer.json
    assert "location" not in answer.headers


async def test_a_replacement_removes_what_it_does_not_name(api: CommandApi) -> None:
    path = await api.register(external_id="hr-1", attributes={"team": "north"})

    answer = await api.put(path, {"email": "joe@example.org", "display_name": "Joe"})

    assert answer.status_code == 200
    assert answer.json["version"] == 2
    assert set(answer.json) == {
        *("id", "email", "display_name", "status", "attributes", "created_at", "updated_at", "version")
    }
    assert answer.json["attributes"] == {}


@pytest.mark.parametrize(("method", "body"), [("PATCH", {}), ("PATCH", {"email": "jo@example.org"}), ("PUT", JO)])
async def test_a_change_of_nothing_makes_no_new_version(api: CommandApi, method: str, body: Any) -> None:
    path = await api.register()

    answer = await api.send(method, path, body)

    assert (answer.status_code, answer.json["version"]) == (200, 1)
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["consistency-token"]
    assert len(api.log.sent) == 1


async def test_a_deletion_answers_with_nothing_but_a_token(api: CommandApi) -> None:
    path = await api.register()

    answer = await api.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["consistency-token"].startswith(api.projector.log_id)
    assert "etag" not in answer.headers


async def test_a_user_is_suspended_and_reinstated(api: CommandApi) -> None:
    path = await api.register()

    suspended = await api.post(path + "/suspend")
    again = await api.post(path + "/suspend")
    reinstated = await api.post(path + "/reinstate")

    assert [(answer.status_code, answer.json["status"], answer.json["version"]) for answer in (suspended, again)] == [
        (200, "suspended", 2),
        (200, "suspended", 2),
    ]
    assert (reinstated.json["status"], reinstated.json["version"]) == ("active", 3)


@every_change
async def test_the_version_that_the_client_has_seen_is_accepted(
    api: CommandApi, method: str, suffix: str, body: Any
) -> None:
    path = await api.register()

    answer = await api.send(method, path + suffix, body, If_Match='"7", "1"')

    assert answer.status_code in (200, 204)
    assert len(api.log.sent) == 2


@every_change
@pytest.mark.parametrize("if_match", ['"1"', '"3"', 'W/"2"', '"other"'])
async def test_another_version_is_refused_with_the_one_that_there_is(
    api: CommandApi, method: str, suffix: str, body: Any, if_match: str
) -> None:
    path = await api.register()
    await api.patch(path, {"external_id": "hr-1"})

    answer = await api.send(method, path + suffix, body, If_Match=if_match)

    assert problem(answer) == (412, "version-mismatch", [])
    assert answer.headers["etag"] == '"2"'
    assert len(api.log.sent) == 2


async def test_of_many_changes_of_one_version_one_is_made() -> None:
    # On a busy machine ten of them take longer than the budget of the other tests.
    api = CommandApi(CommandSettings(**SETTINGS.model_dump() | {"write_budget_seconds": 10}))
    api.open()
    async with api.client:
        path = await api.register()

        answers = await api.at_once(*(api.patch(path, {"display_name": f"{n}"}, If_Match='"1"') for n in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    assert len(api.log.sent) == 2


async def test_changes_without_a_precondition_are_all_made_one_after_the_other(api: CommandApi) -> None:
    path = await api.register()

    answers = await api.at_once(*(api.patch(path, {"attributes": {str(n): n}}) for n in range(10)))

    assert sorted(answer.json["version"] for answer in answers) == list(range(2, 12))
    final = await api.patch(path, {})
    assert final.json["attributes"] == {str(n): n for n in range(10)}


@every_change
async def test_who_was_never_registered_is_not_found(api: CommandApi, method: str, suffix: str, body: Any) -> None:
    assert problem(await api.send(method, f"/users/{ID}{suffix}", body)) == (404, "user-not-found", [])


@every_change
async def test_who_was_deleted_is_gone(api: CommandApi, method: str, suffix: str, body: Any) -> None:
    path = await api.register()
    await api.delete(path)

    assert problem(await api.send(method, path + suffix, body)) == (410, "user-deleted", [])
    assert len(api.log.sent) == 2


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_taken_value_is_refused_and_the_own_one_is_not(api: CommandApi, method: str) -> None:
    await api.register(email="ann@example.org", external_id="hr-1")
    path = await api.register(email="jo@example.org", external_id="hr-2")

    address = await api.send(method, path, JO | {"email": "ANN@example.org"})
    external = await api.send(method, path, JO | {"external_id": "hr-1"})
    own = await api.send(method, path, JO | {"email": "JO@example.org", "external_id": "hr-2"})

    assert problem(address) == (409, "value-taken", ["/email"])
    assert problem(external) == (409, "value-taken", ["/external_id"])
    assert (own.status_code, own.json["email"]) == (200, "JO@example.org")


async def test_a_released_value_is_free(api: CommandApi) -> None:
    path = await api.register()
    await api.patch(path, {"email": "joe@example.org"})

    assert (await api.post("/users", JO)).status_code == 201


async def test_an_id_in_upper_case_is_the_same(api: CommandApi) -> None:
    path = await api.register()

    answer = await api.patch(f"/users/{path.removeprefix('/users/').upper()}", {"display_name": "Joe"})

    assert (answer.status_code, answer.json["version"]) == (200, 2)
