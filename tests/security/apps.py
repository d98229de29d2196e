"""Both APIs with tokens asked for and everything behind them in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from falcon.testing import ASGIConductor, Result

import command_api.app
import query_api.app
from command_api.settings import CommandSettings
from query_api.settings import QuerySettings
from runtime.http import App
from tests.memory_read_models import MemoryReadModels
from tests.security.tokens import AUDIENCE, ISSUER, Issuer
from tests.small_projector import SmallProjector
from tests.unit.command_api.memory_event_log import MemoryEventLog
from tests.unit.command_api.memory_store import MemoryStore
from tests.unit.query_api.memory_changes import MemoryChanges
from tests.unit.query_api.memory_directory import MemoryDirectory, make_user


def auth(issuer: Issuer) -> dict[str, Any]:
    """Return the settings that accept an issuer's tokens."""
    issuer.publish()
    return {"auth": "on", "auth_issuer": ISSUER, "auth_audience": AUDIENCE, "auth_jwks_file": str(issuer.file)}


def query(issuer: Issuer, **settings: Any) -> App:
    """Make the query API with one user."""
    directory = MemoryDirectory()
    directory.put(make_user(1))
    made = QuerySettings(**{"access_log": False, **auth(issuer), **settings})
    return query_api.app.create_app(made, directory, MemoryChanges())


def command(issuer: Issuer, **settings: Any) -> App:
    """Make the command API."""
    models = MemoryReadModels()
    log = MemoryEventLog(SmallProjector(models, partitions=3))
    made = CommandSettings(
        **{"access_log": False, "kafka_partitions": 3, "write_budget_seconds": 0.3, **auth(issuer), **settings}
    )
    return command_api.app.create_app(made, MemoryStore(models), log)


@asynccontextmanager
async def client(app: App) -> AsyncIterator[ASGIConductor]:
    """Run an app and give a client of it."""
    async with ASGIConductor(_served(app)) as conductor:
        yield conductor


def _served(app: App) -> Any:
    """Give the app what servers give: the client's address, and headers that can be read more than once."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if "headers" in scope:
            scope["headers"] = [tuple(pair) for pair in scope["headers"]]
            scope["client"] = ("127.0.0.1", 50_000)
        await app(scope, receive, send)

    return serve


async def ask(conductor: ASGIConductor, method: str, path: str, token: str | None = None, **more: Any) -> Result:
    """Send a request, with a token if one is given."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer: Result = await conductor.simulate_request(method, path, headers=headers | more.pop("headers", {}), **more)
    return answer
