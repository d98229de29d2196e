import json
from collections.abc import Sequence
from typing import Any

import pytest

from command_api.settings import CommandSettings
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem
from tests.unit.command_api.memory_store import MemoryStore
from user_directory_events import User, UserRegistered, partition_of

OWN_ID = "0192d3a0-5b6c-7def-8123-456789abcdef"


async def test_a_registration_answers_with_the_user_where_it_can_be_read_and_what_to_see_at_least(
    api: CommandApi,
) -> None:
    answer = await api.post("/users", JO | {"attributes": {"none": None, "empty": []}})

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    user = User.model_validate_json(answer.content)
    assert (user.email, user.status, user.version) == ("jo@example.org", "active", 1)
    assert user.attributes == {"none": None, "empty": []}
    assert user.id[14] == "7"
    assert user.created_at == user.updated_at
    assert answer.headers["location"] == f"/users/{user.id}"
    assert answer.headers["etag"] == '"1"'
    partition = partition_of(user.id, SETTINGS.kafka_partitions)
    # After the record that opened the epoch.
    assert answer.headers["consistency-token"] == f"{api.projector.log_id}.{partition}-1"


async def test_the_event_carries_who_asked_and_which_request_it_was(api: CommandApi) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    await api.post("/users", JO, X_Request_ID="request-1", traceparent=trace, Idempotency_Key="key-1")

    (event,) = api.log.sent
    assert isinstance(event, UserRegistered)
    assert event.correlationid == "request-1"
    assert event.idempotencykey == "key-1"
    assert event.idempotencyhash
    assert event.traceparent is not None
    # The same trace, another span.
    assert event.traceparent[:36] == trace[:36]
    assert event.traceparent != trace


@pytest.mark.parametrize(
    ("public_url", "base"),
    [
        ("https://directory.example.org", "https://directory.example.org"),
        ("https://directory.example.org/", "https://directory.example.org"),
        ("https://example.org/directory/", "https://example.org/directory"),
    ],
)
async def test_location_is_built_on_the_public_url(public_url: str, base: str) -> None:
    api = CommandApi(CommandSettings(**SETTINGS.model_dump() | {"public_url": public_url}))
    api.open()
    async with api.client:
        answer = await api.post("/users", JO)
        api.log.projects = False
        pending = await api.post("/users", JO | {"email": "joe@example.org"})

    assert answer.headers["location"] == f"{base}/users/{answer.json['id']}"
    assert pending.headers["location"].startswith(f"{base}/writes/")
    assert pending.json["location"] == pending.headers["location"]


@pytest.mark.parametrize("email", ["jo@example.org", "JO@Example.ORG"])
async def test_an_address_belongs_to_one_user(api: CommandApi, email: str) -> None:
    await api.register()

    answer = await api.post("/users", JO | {"email": email})

    assert problem(answer) == (409, "value-taken", ["/email"])
    assert len(api.log.sent) == 1


async def test_an_external_id_belongs_to_one_user(api: CommandApi) -> None:
    await api.register(external_id="hr-1")

    answer = await api.post("/users", {**JO, "email": "joe@example.org", "external_id": "hr-1"})

    assert problem(answer) == (409, "value-taken", ["/external_id"])


async def test_of_many_who_want_one_address_at_once_one_gets_it(api: CommandApi) -> None:
    answers = await api.at_once(*(api.post("/users", JO) for _ in range(20)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 19
    assert len(api.log.sent) == 1


async def test_a_client_registers_under_an_id_of_its_own(api: CommandApi) -> None:
    answer = await api.put(f"/users/{OWN_ID.upper()}", JO, If_None_Match="*")

    assert answer.status_code == 201
    assert answer.json["id"] == OWN_ID
    assert answer.headers["location"] == f"/users/{OWN_ID}"


async def test_an_own_id_that_exists_is_left_alone(api: CommandApi) -> None:
    await api.put(f"/users/{OWN_ID}", JO, If_None_Match="*")

    answer = await api.put(f"/users/{OWN_ID}", JO | {"email": "joe@example.org"}, If_None_Match="*")

    assert problem(answer) == (412, "version-mismatch", [])
    assert answer.headers["etag"] == '"1"'


async def test_the_id_of_a_deleted_user_is_never_given_out_again(api: CommandApi) -> None:
    await api.put(f"/users/{OWN_ID}", JO, If_None_Match="*")
    await api.delete(f"/users/{OWN_ID}")

    answer = await api.put(f"/users/{OWN_ID}", JO, If_None_Match="*")

    assert problem(answer) == (409, "id-taken", ["/id"])


async def test_the_address_of_a_deleted_user_is_free(api: CommandApi) -> None:
    path = await api.register()
    await api.delete(path)

    assert (await api.post("/users", JO)).status_code == 201


async def test_without_if_none_match_an_unknown_id_is_not_found(api: CommandApi) -> None:
    assert problem(await api.put(f"/users/{OWN_ID}", JO)) == (404, "user-not-found", [])


@pytest.mark.parametrize("user_id", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"])
async def test_the_nil_and_the_max_uuid_are_nobodys(api: CommandApi, user_id: str) -> None:
    assert problem(await api.put(f"/users/{user_id}", JO, If_None_Match="*")) == (400, "invalid-parameter", ["/id"])


@pytest.mark.parametrize("headers", [{"If_None_Match": '"1"'}, {"If_None_Match": "*", "If_Match": "*"}])
async def test_a_precondition_that_makes_no_sense_is_refused(api: CommandApi, headers: dict[str, str]) -> None:
    assert problem(await api.put(f"/users/{OWN_ID}", JO, **headers)) == (400, "precondition-invalid", [])


@pytest.mark.parametrize("email", ["Zoë@exämple.de", "用户@例え.jp", "o'neil+tag@example.org", "jo@xn--exmple-cua.de"])
async def test_what_was_given_is_answered(api: CommandApi, email: str) -> None:
    body = {
        "email": email,
        "name": {"given": "李", "family": "Ångström 👩‍🚀"},
        "display_name": 'a"b\\c',
        "external_id": "a:b c\u00a0d",
        "attributes": {"big": 2**63, "float": 0.1, "text": "\u0000\u2028", "none": None, "": {}},
    }

    answer = await api.post("/users", body)

    document = json.loads(answer.content)
    assert {name: document[name] for name in body} == body


async def test_what_requests_of_one_moment_ask_of_redis_goes_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, list[int]] = {"reserve_all": [], "outcomes": []}
    for name, found in sizes.items():
        asked = getattr(MemoryStore, name)

        async def counted(
            self: MemoryStore, some: Sequence[Any], asked: Any = asked, found: list[int] = found
        ) -> list[Any]:
            found.append(len(some))
            answers: list[Any] = await asked(self, some)
            return answers

        monkeypatch.setattr(MemoryStore, name, counted)
    api = CommandApi()
    api.open()
    async with api.client:
        answers = await api.at_once(*(api.post("/users", JO | {"email": f"p{n}@example.org"}) for n in range(20)))

    assert [answer.status_code for answer in answers] == [201] * 20
    assert sizes["reserve_all"] == [20]
    assert sizes["outcomes"] == [20]
