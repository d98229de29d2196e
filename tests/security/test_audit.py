"""The audit log tells who did what to whom, and no log tells anything of a person."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from falcon.testing import ASGIConductor

from runtime import logs
from runtime.settings import LogSettings
from tests.security import apps
from tests.security.tokens import READ, WRITE, Issuer, token
from tests.unit.query_api.memory_directory import make_user

ID = make_user(1).id


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    names = ("actor", "address", "method", "route", "user", "status", "outcome")
    return [{name: getattr(one, name) for name in names} for one in caplog.records if one.name == "audit"]


async def test_each_write_and_each_refusal_leaves_a_line(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    async with apps.client(apps.command(issuer)) as client:
        await apps.ask(client, "DELETE", f"/users/{ID.upper()}", token(scope=WRITE, sub="client-9"))
        await apps.ask(client, "DELETE", f"/users/{ID}", token(scope=READ, sub="client-8"))
        await apps.ask(client, "DELETE", "/users/jo@example.org")
        await apps.ask(client, "GET", "/nowhere")
        await apps.ask(client, "GET", "/healthz")
    common = {"method": "DELETE", "route": "/users/{user_id}", "address": "127.0.0.1"}
    assert audited(caplog) == [
        {**common, "actor": "client-9", "user": ID, "status": 503, "outcome": "failed"},
        {**common, "actor": "client-8", "user": ID, "status": 403, "outcome": "refused"},
        {**common, "actor": None, "user": None, "status": 401, "outcome": "refused"},
    ]


async def test_reads_leave_none_unless_they_are_refused(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    async with apps.client(apps.query(issuer)) as client:
        assert (await apps.ask(client, "GET", f"/users/{ID}", token())).status_code == 200
        assert (await apps.ask(client, "POST", "/users/lookup", token(), json={"ids": [ID]})).status_code == 200
        assert audited(caplog) == []
        await apps.ask(client, "GET", f"/users/{ID}")
    assert [one["status"] for one in audited(caplog)] == [401]


async def test_it_can_be_turned_off_and_does_not_depend_on_the_level(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger().setLevel(logging.ERROR)
    for on in (True, False):
        async with apps.client(apps.query(issuer, audit_log=on)) as client:
            await apps.ask(client, "GET", f"/users/{ID}")
        assert len(audited(caplog)) == 1


PERSON = ["zoe.quill@example.org", "Zoë", "Quill", "hr-4711-q", "quiet-corner"]


async def refuse_in_every_way(command: ASGIConductor, query: ASGIConductor) -> None:
    body = {"email": PERSON[0], "name": {"given": PERSON[1], "family": PERSON[2]}, "external_id": PERSON[3]}
    body["attributes"] = {"seat": PERSON[4]}
    write, read = token(scope=WRITE, sub=PERSON[0]), token(scope=READ, sub=f"{PERSON[1]} {PERSON[2]}")
    await apps.ask(command, "POST", "/users", write, json=body)
    await apps.ask(command, "POST", "/users", json=body)
    await apps.ask(command, "POST", "/users", write, json=body | {"nick": PERSON[1]})
    await apps.ask(command, "PUT", f"/users/{PERSON[0]}", write, json=body)
    await apps.ask(command, "PATCH", f"/users/{ID}", write, json={"email": PERSON[2]})
    await apps.ask(
        command, "POST", "/users", write, body=json.dumps(body)[:-1], headers={"Content-Type": "application/json"}
    )
    await apps.ask(query, "GET", "/users", read, params={"q": PERSON[2], "email": PERSON[0]})
    await apps.ask(query, "GET", "/users", read, params={"nick": PERSON[1], "cursor": PERSON[4]})
    await apps.ask(query, "GET", f"/{PERSON[0]}", read)
    await apps.ask(query, "POST", "/users/lookup", read, json={"emails": [PERSON[0]]})
    await apps.ask(query, "GET", f"/users/{PERSON[3]}", token(scope=PERSON[2], sub=PERSON[0]))


async def test_no_log_line_tells_anything_of_a_person(issuer: Issuer, tmp_path: Path) -> None:
    former = logging.getLogger().handlers[:]
    file = tmp_path / "log"
    try:
        logs.configure(LogSettings(log_file=str(file), log_level="debug"), "command-api")
        shown: dict[str, Any] = {"access_log": True}
        async with (
            apps.client(apps.command(issuer, **shown)) as command,
            apps.client(apps.query(issuer, **shown)) as query,
        ):
            await refuse_in_every_way(command, query)
    finally:
        logging.getLogger().handlers[:] = former
    text = file.read_text()
    assert text.count('"audit"') >= 8
    assert text.count('"request"') >= 10
    for value in PERSON:
        assert value not in text
        assert json.dumps(value)[1:-1] not in text
