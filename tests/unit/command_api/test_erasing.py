"""`POST /users/{id}/erase`."""

import pytest

from tests.unit.command_api.in_memory import JO, CommandApi, problem
from user_directory_events import UserErased

UNKNOWN = "0192d3a0-0000-7000-8000-00000000dead"


async def test_an_erased_user_is_gone_for_ever(api: CommandApi) -> None:
    path = await api.register()

    answer = await api.post(f"{path}/erase")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["consistency-token"]
    [_, event] = api.log.sent
    assert isinstance(event, UserErased)
    assert event.sequence == 2
    assert problem(await api.patch(path, {"display_name": "Jo"})) == (410, "user-deleted", [])
    assert problem(await api.put(path, JO, If_None_Match="*")) == (409, "id-taken", ["/id"])
    # The address is free.
    assert (await api.post("/users", JO)).status_code == 201


async def test_a_deleted_user_can_be_erased(api: CommandApi) -> None:
    path = await api.register()
    await api.delete(path)

    assert (await api.post(f"{path}/erase")).status_code == 204
    assert api.log.sent[-1].sequence == 3


async def test_erasing_again_changes_nothing(api: CommandApi) -> None:
    path = await api.register()
    await api.post(f"{path}/erase")

    again = await api.post(f"{path}/erase")

    assert (again.status_code, again.content, len(api.log.sent)) == (204, b"", 2)
    assert again.headers["consistency-token"]


async def test_who_was_never_there_cannot_be_erased(api: CommandApi) -> None:
    assert problem(await api.post(f"/users/{UNKNOWN}/erase")) == (404, "user-not-found", [])


@pytest.mark.parametrize("deleted", [False, True])
async def test_if_match_names_the_version_to_erase(api: CommandApi, deleted: bool) -> None:
    path = await api.register()
    if deleted:
        await api.delete(path)

    refused = await api.post(f"{path}/erase", If_Match='"7"')

    assert problem(refused) == (412, "version-mismatch", [])
    assert (await api.post(f"{path}/erase", If_Match=refused.headers["etag"])).status_code == 204


async def test_a_repeated_erasure_has_the_first_outcome(api: CommandApi) -> None:
    path = await api.register()

    answers = [await api.post(f"{path}/erase", Idempotency_Key="key-1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert len(api.log.sent) == 2


async def test_a_request_repeated_after_the_erasure_does_not_bring_the_user_back(api: CommandApi) -> None:
    first = await api.post("/users", JO, Idempotency_Key="key-1")
    await api.post(f"{first.headers['location']}/erase")

    again = await api.post("/users", JO, Idempotency_Key="key-1")

    assert problem(again) == (410, "user-deleted", [])
    assert len(api.log.sent) == 2
