"""`POST /users/import` on an app with everything behind it in memory."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from command_api import importing, verdicts
from tests.memory_read_models import now_ms
from tests.unit.command_api.asgi_exchange import Exchange
from tests.unit.command_api.in_memory import JO, SETTINGS, CommandApi, problem
from user_directory_events import UserEvent

NDJSON = "application/x-ndjson"
IMPORT = "/users/import"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    # In memory a verdict is there before anybody can have asked for it.
    monkeypatch.setattr(verdicts, "_POLL_SECONDS", 0.01)


def lines(*bodies: Any) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def people(*numbers: int, **fields: Any) -> bytes:
    return lines(*({"email": f"p{number}@example.org", "display_name": "P"} | fields for number in numbers))


async def imported(api: CommandApi, body: bytes, path: str = IMPORT, **headers: str) -> list[dict[str, Any]]:
    headers.setdefault("Content_Type", NDJSON)
    answer = await api.post(path, body, **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, NDJSON), answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def shape(results: list[dict[str, Any]]) -> list[Any]:
    return [(result["row"], result["status"], [e["pointer"] for e in result.get("errors", [])]) for result in results]


def slug(result: dict[str, Any]) -> str:
    return str(result["type"].removeprefix("urn:user-directory:problem:"))


async def sent(api: CommandApi, count: int) -> None:
    """Wait until that many events were sent."""
    reached = asyncio.Event()

    def note(_: UserEvent) -> None:
        if len(api.log.sent) + 1 >= count:
            reached.set()

    api.log.before_append = note
    async with asyncio.timeout(5):
        await reached.wait()


async def turns() -> None:
    """Let everything happen that can."""
    for _ in range(1000):
        await asyncio.sleep(0)


# --- rows


async def test_each_row_has_a_line_in_the_order_of_the_rows(api: CommandApi) -> None:
    body = people(1) + b"\n{bad\n" + people(2) + lines({"email": "x"}, {"email": "p3@example.org"}) + people(3)

    results = await imported(api, body)

    assert shape(results) == [
        (1, 201, []),
        (2, 400, [""]),
        (3, 201, []),
        (4, 400, ["/email"]),
        (5, 400, ["/name"]),
        (6, 201, []),
    ]
    assert [event.subject for event in api.log.sent] == [results[n]["id"] for n in (0, 2, 5)]
    assert {result["version"] for result in results if result["status"] == 201} == {1}
    for result in results:
        if result["status"] == 400:
            assert result["title"]
            assert result["detail"]


async def test_an_imported_user_is_one_like_any_other(api: CommandApi) -> None:
    [result] = await imported(api, lines(JO | {"attributes": {"team": "north"}, "external_id": "hr-1"}))

    answer = await api.patch(f"/users/{result['id']}", {"display_name": "Joe"})

    assert (answer.json["version"], answer.json["email"], answer.json["external_id"]) == (2, JO["email"], "hr-1")
    assert answer.json["attributes"] == {"team": "north"}


async def test_csv_makes_the_same_users_as_ndjson(api: CommandApi) -> None:
    body = (
        '\ufeffemail,given,display_name,attributes\r\n"p1@example.org","Jo, the ""one""",,"{""a"": 1}"\r\nbad,Jo,,\r\n'
    )

    results = await imported(api, body.encode(), Content_Type="text/csv; charset=utf-8")

    assert shape(results) == [(1, 201, []), (2, 400, ["/email"])]
    data = api.log.sent[0].data.model_dump(exclude_none=True)
    assert data == {"email": "p1@example.org", "name": {"given": 'Jo, the "one"'}, "attributes": {"a": 1}}


async def test_a_value_that_another_user_has_is_refused(api: CommandApi) -> None:
    await api.register(email="P1@Example.org", external_id="hr-1")

    results = await imported(api, people(1) + people(2, external_id="hr-1"))

    assert shape(results) == [(1, 409, ["/email"]), (2, 409, ["/external_id"])]
    assert [slug(result) for result in results] == ["value-taken"] * 2


@pytest.mark.parametrize("apart", [0, 40, 300])
async def test_of_two_rows_with_one_address_the_first_is_registered(api: CommandApi, apart: int) -> None:
    body = people(1) + people(*range(2, apart + 2)) + people(1, email="P1@EXAMPLE.org")

    results = await imported(api, body)

    assert [result["row"] for result in results if result["status"] != 201] == [apart + 2]
    assert shape(results)[-1] == (apart + 2, 409, ["/email"])


async def test_many_rows_with_one_address_make_one_user(api: CommandApi) -> None:
    results = await imported(api, people(*[1] * 200))

    assert [result["status"] for result in results] == [201] + [409] * 199
    assert len(api.log.sent) == 1


async def test_a_row_that_is_too_large_is_refused_alone(api: CommandApi) -> None:
    results = await imported(api, people(1) + b"x" * (SETTINGS.max_body_bytes + 1) + b"\n" + people(2))

    assert [result["status"] for result in results] == [201, 413, 201]


async def test_nothing_in_nothing_out(api: CommandApi) -> None:
    assert await imported(api, b"\n\n") == []
    assert await imported(api, b"email\n", Content_Type="text/csv") == []


# --- once, however often


async def test_posted_again_under_its_key_each_row_has_the_first_outcome(api: CommandApi) -> None:
    body = people(*range(1, 50)) + lines({"email": "bad"})

    first = await imported(api, body, Idempotency_Key="key-1")
    again = await imported(api, body, Idempotency_Key="key-1")

    def without_instance(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in result.items() if name != "instance"} for result in results]

    assert without_instance(again) == without_instance(first)
    assert len(api.log.sent) == 49


async def test_a_rest_of_it_is_gone_on_with_from_its_first_row(api: CommandApi) -> None:
    first = await imported(api, people(1, 2, 3), Idempotency_Key="key-1")

    rest = await imported(api, people(2, 3, 4), f"{IMPORT}?first_row=2", Idempotency_Key="key-1")

    assert rest[:2] == first[1:]
    assert (rest[2]["row"], rest[2]["status"]) == (4, 201)


async def test_another_row_under_the_key_of_one_is_refused(api: CommandApi) -> None:
    await imported(api, people(1, 2), Idempotency_Key="key-1")

    results = await imported(api, people(1, 3, 2), Idempotency_Key="key-1")

    assert [(result["status"]) for result in results] == [201, 422, 409]
    assert slug(results[1]) == "idempotency-key-reused"


async def test_the_key_of_a_row_is_no_key_that_a_client_can_send(api: CommandApi) -> None:
    await imported(api, people(1), Idempotency_Key="key")

    assert api.log.sent[0].idempotencykey == "key 1"
    assert problem(await api.post("/users", JO, Idempotency_Key="key 1"))[1] == "idempotency-key-invalid"


async def test_without_a_key_a_repeated_row_is_a_conflict(api: CommandApi) -> None:
    await imported(api, people(1))

    assert shape(await imported(api, people(1))) == [(1, 409, ["/email"])]


# --- requests that are refused as a whole


@pytest.mark.parametrize(
    ("body", "headers", "refusal"),
    [
        (b"{}", {"Content_Type": "application/json"}, (415, "unsupported-media-type")),
        (b"{}", {"Content_Encoding": "gzip"}, (415, "unsupported-media-type")),
        (b"{}", {"Idempotency_Key": "a b"}, (400, "idempotency-key-invalid")),
        (b"{}", {"Accept": "text/html"}, (406, "not-acceptable")),
        (b"mail,name\n", {"Content_Type": "text/csv"}, (400, "invalid-request")),
        (b"", {"Content_Type": "text/csv"}, (400, "malformed-csv")),
    ],
)
async def test_what_is_no_import_is_refused_before_anything_happens(
    api: CommandApi, body: bytes, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    answer = await api.post(IMPORT, body, **({"Content_Type": NDJSON} | headers))

    assert problem(answer)[:2] == refusal
    assert api.log.sent == []


@pytest.mark.parametrize("first_row", ["0", "-1", "x", "1.5", "1000000000001", "9" * 14, "¹"])
async def test_a_first_row_is_a_whole_number(api: CommandApi, first_row: str) -> None:
    answer = await api.post(f"{IMPORT}?first_row={first_row}", b"", Content_Type=NDJSON)

    assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (400, "first_row")


async def test_results_can_be_asked_for_as_what_they_are(api: CommandApi) -> None:
    assert len(await imported(api, people(1), Accept=NDJSON)) == 1


# --- while it goes on


@pytest.fixture
async def small() -> AsyncIterator[CommandApi]:
    """Return a command API with a limit, little patience and one import at a time."""
    limits = {"max_imports": 1, "import_max_bytes": 4096, "import_idle_seconds": 0.2}
    made = CommandApi(SETTINGS.model_copy(update=limits))
    made.open()
    async with made.client:
        yield made


async def test_a_row_is_answered_before_the_next_one_is_sent(api: CommandApi) -> None:
    async with Exchange(api.app, IMPORT, NDJSON) as exchange:
        for number in range(1, 5):
            exchange.send(people(number))
            assert (await exchange.has(number))[-1]["row"] == number
        exchange.end()
        assert len(await exchange.result()) == 4


async def test_what_a_client_left_behind_of_a_row_is_not_registered(
    api: CommandApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Exchange(api.app, IMPORT, "text/csv") as exchange:
        exchange.send(b"email,given\np1@example.org,Jo\np2@example.org,Jo")
        exchange.leave()
        await exchange.result()

    assert [event.data.model_dump()["email"] for event in api.log.sent] == ["p1@example.org"]
    assert "client of an import gone" in caplog.text


async def test_a_client_who_takes_no_results_is_read_no_further(
    api: CommandApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_ROWS_IN_HAND", 8)
    async with Exchange(api.app, IMPORT, NDJSON) as exchange:
        exchange.takes.clear()
        for number in range(100):
            exchange.send(people(number))
        exchange.end()
        await sent(api, 8)
        before = exchange.taken
        await turns()
        assert exchange.taken == before < 30
        exchange.takes.set()
        assert [result["status"] for result in await exchange.result()] == [201] * 100


async def test_large_rows_in_hand_are_fewer(api: CommandApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_BYTES_IN_HAND", 10_000)
    api.log.projects = False
    async with Exchange(api.app, IMPORT, NDJSON) as exchange:
        for number in range(20):
            exchange.send(people(number, attributes={"text": "x" * 2000}))
        await sent(api, 5)
        await turns()
        assert len(api.log.sent) == 5


async def test_a_client_who_sends_nothing_for_long_is_told_where_to_go_on(small: CommandApi) -> None:
    async with Exchange(small.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1, 2) + b'{"email":')
        *rows, last = await exchange.result()

    assert [row["status"] for row in rows] == [201, 201]
    assert (last["status"], slug(last), last["next_row"], "row" in last) == (408, "request-timeout", 3, False)


async def test_a_body_above_the_limit_is_read_up_to_it(small: CommandApi) -> None:
    async with Exchange(small.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1))
        await exchange.has(1)
        exchange.send(people(2) + b"\n" * 4096)
        *rows, last = await exchange.result()
    assert [row["status"] for row in rows] == [201]
    assert (last["status"], last["next_row"]) == (413, 2)

    answer = await small.post(IMPORT, b"\n" * 5000, Content_Type=NDJSON)
    assert problem(answer)[:2] == (413, "body-too-large")


async def test_a_process_takes_on_no_more_imports_than_it_can(small: CommandApi) -> None:
    async with Exchange(small.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1))
        await exchange.has(1)
        answer = await small.post(IMPORT, people(2), Content_Type=NDJSON)
        assert problem(answer)[:2] == (503, "service-unavailable")
        exchange.end()
        await exchange.result()

    assert len(await imported(small, people(2))) == 1


async def test_a_process_that_drains_answers_what_it_has_read(api: CommandApi) -> None:
    async with Exchange(api.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1, 2))
        await exchange.has(2)
        resource: Any = api.app._router.find(IMPORT)
        for _ in range(2):
            resource[0].drain()
        *rows, last = await exchange.result()

    assert [row["status"] for row in rows] == [201, 201]
    assert (last["status"], last["next_row"]) == (503, 3)
    # Also what is there already.
    [late] = await imported(api, people(3))
    assert (late["status"], late["next_row"]) == (503, 1)


# --- when something behind is down


@pytest.mark.parametrize("down", ["kafka", "redis", "send"])
async def test_an_outage_stops_the_import_where_it_can_be_gone_on_with(api: CommandApi, down: str) -> None:
    async with Exchange(api.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1))
        await exchange.has(1)
        api.log.up, api.store.broken, api.log.refuses = down != "kafka", down == "redis", down == "send"
        exchange.send(people(2, 3))
        # The end of the body does not come.
        *rows, last = await exchange.result()

    assert [row["status"] for row in rows] == [201, 503, 503]
    assert (last["status"], last["next_row"]) == (503, 4)
    assert len(api.log.sent) == 1
    api.log.up, api.store.broken, api.log.refuses = True, False, False
    # Nothing is held any more.
    assert [row["status"] for row in await imported(api, people(2, 3))] == [201, 201]


async def test_a_row_without_a_verdict_in_time_is_pending(api: CommandApi) -> None:
    api.log.projects = False

    [result] = await imported(api, people(1), Idempotency_Key="key-1")

    assert (result["status"], result["row"]) == (202, 1)
    assert (await api.get(result["location"])).json["status"] == "pending"
    api.projector.project_all()
    assert (await api.get(result["location"])).json == {"status": "accepted", "user_id": result["id"], "version": 1}
    [again] = await imported(api, people(1), Idempotency_Key="key-1")
    assert (again["status"], again["id"]) == (201, result["id"])


async def test_a_void_event_is_decided_anew(api: CommandApi) -> None:
    late = iter([now_ms() + 60_000])
    api.log.stamp = lambda: next(late, now_ms())

    [result] = await imported(api, people(1))

    assert (result["status"], len(api.log.sent)) == (201, 2)
    assert api.log.sent[1].subject == result["id"]


async def test_a_fault_of_ours_is_the_rows_and_no_others(
    api: CommandApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("command_api.writer.Writer.settle", fail)
    results = await imported(api, people(1, 1, 2))

    assert [result["status"] for result in results] == [201, 500, 201]
    assert "row failed" in caplog.text


@pytest.mark.parametrize("broken", ["outcomes", "reserve_all"])
async def test_a_fault_of_ours_that_leaves_rows_unanswered_breaks_the_import_off(
    api: CommandApi, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(api.store, broken, fail)
    async with asyncio.timeout(5), Exchange(api.app, IMPORT, NDJSON) as exchange:
        exchange.send(people(1))
        with pytest.raises(ZeroDivisionError):
            await exchange.result()
