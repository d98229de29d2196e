"""The command API with everything behind it in memory, and a client of it."""

import asyncio
from typing import Any

from falcon.testing import ASGIConductor, Result

from command_api.app import create_app
from command_api.settings import CommandSettings
from tests.memory_read_models import MemoryReadModels, now_ms
from tests.sample_events import EPOCH
from tests.small_projector import SmallProjector
from tests.unit.command_api.memory_event_log import MemoryEventLog
from tests.unit.command_api.memory_store import MemoryStore

PARTITIONS = 3
SETTINGS = CommandSettings(auth="off", kafka_partitions=PARTITIONS, access_log=False, write_budget_seconds=0.3)
JO = {"email": "jo@example.org", "name": {"formatted": "Jo Doe"}}


class CommandApi:
    """The app and what stands behind it."""

    def __init__(self, settings: CommandSettings = SETTINGS) -> None:
        self.models = MemoryReadModels()
        self.projector = SmallProjector(self.models, partitions=PARTITIONS)
        self.store = MemoryStore(self.models)
        self.log = MemoryEventLog(self.projector)
        self.app = create_app(settings, self.store, self.log)
        self.client: ASGIConductor = ASGIConductor(self.app)

    def open(self, epoch: str = EPOCH) -> None:
        """Let writes in."""
        self.projector.open_epoch(epoch, now_ms())

    async def post(self, path: str, body: Any = None, **headers: str) -> Result:
        return await self.send("POST", path, body, **headers)

    async def patch(self, path: str, body: Any, **headers: str) -> Result:
        return await self.send("PATCH", path, body, **headers)

    async def put(self, path: str, body: Any, **headers: str) -> Result:
        return await self.send("PUT", path, body, **headers)

    async def delete(self, path: str, **headers: str) -> Result:
        return await self.send("DELETE", path, None, **headers)

    async def get(self, path: str, **headers: str) -> Result:
        return await self.send("GET", path, None, **headers)

    async def send(self, method: str, path: str, body: Any, **headers: str) -> Result:
        """Send a request; bytes and text go as they are, all else as JSON. `_` in a header's name stands for `-`."""
        sent: dict[str, Any] = {"json": body} if not isinstance(body, bytes | str | None) else {"body": body}
        if isinstance(body, bytes | str):
            headers.setdefault("Content_Type", "application/json")
        sent["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: Result = await self.client.simulate_request(method, path, **sent)
        return answer

    async def register(self, **fields: Any) -> str:
        """Register a user; return the path."""
        answer = await self.post("/users", JO | fields)
        assert answer.status_code == 201, answer.text
        location: str = answer.headers["location"]
        return location

    async def at_once(self, *requests: Any) -> list[Result]:
        """Send requests at the same time."""
        return list(await asyncio.gather(*requests))


def problem(answer: Result) -> tuple[int, str, list[str]]:
    """Return status, type and the pointers of a problem document, after checking its form."""
    document = answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    assert document["instance"].startswith("urn:user-directory:request:")
    slug = document["type"].removeprefix("urn:user-directory:problem:")
    return answer.status_code, slug, [error["pointer"] for error in document.get("errors", [])]
