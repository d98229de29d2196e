"""The resource of a user's history."""

from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_json

from query_api.description_parts import CONSISTENCY, FRESHNESS, FRESHNESS_PROBLEMS, LINK, USER_ID
from query_api.freshness import HEADER, Freshness
from query_api.parameters import read_user_id
from query_api.past import Past
from query_api.past_parameters import DEFAULT_LIMIT, MOST_ENTRIES, SORTS, read_history_query
from runtime.observation import Request
from runtime.openapi import Operation, Parameter, Response
from user_directory_events.timestamps import Timestamp

HISTORY_PATH: Final = "/users/{user_id}/history"

_EXAMPLE: Final[dict[str, Any]] = {
    "version": 2,
    "type": "user.updated",
    "time": "2026-11-24T08:31:07.456Z",
    "recorded_at": "2026-11-24T08:31:07.459Z",
    "actor": None,
    "event_id": "01936e0b-8a11-7c22-8d33-5c8d1e2f3a4b",
    "changes": [{"field": "display_name", "from": None, "to": "Countess"}],
}


class Change(BaseModel):
    """A field of the user's document before and after the event; null: it is not there."""

    field: Annotated[str, Field(examples=["display_name"])]
    before: Annotated[JsonValue, Field(alias="from")]
    to: JsonValue


class HistoryEntry(BaseModel):
    """One accepted event of a user."""

    version: Annotated[int, Field(ge=1, description="The user's version after it")]
    type: Annotated[str, Field(description="What happened", examples=["user.updated"])]
    time: Annotated[Timestamp, Field(description="When it was decided, by the clock of the command API")]
    recorded_at: Annotated[Timestamp, Field(description="When the log took it, by the broker's clock: what `at` asks")]
    actor: Annotated[str | None, Field(description="An opaque id of who asked for it; null: not known")]
    event_id: Annotated[str, Field(description="UUID of the event in the log")]
    changes: Annotated[list[Change], Field(description="What changed in the user's document")]


class History(BaseModel):
    """One page of a user's history."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE], "next": None}]})

    items: list[HistoryEntry]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: nothing follows")]


HISTORY: Final = Operation(
    "GET",
    HISTORY_PATH,
    "getUserHistory",
    "What happened to a user",
    {200: Response("One page.", History, {**LINK, **FRESHNESS})},
    description="Every accepted event, also after the deletion. After an erasure only the erasing event is left.",
    parameters=(
        USER_ID,
        Parameter(
            "sort",
            "query",
            Annotated[Literal["version", "-version"], Field(json_schema_extra={"default": SORTS[0]})],
            "The order: oldest first, or with `-` newest first.",
            example="-version",
        ),
        Parameter(
            "limit",
            "query",
            Annotated[int, Field(ge=1, le=MOST_ENTRIES, json_schema_extra={"default": DEFAULT_LIMIT})],
            "Most events of a page.",
            example=20,
        ),
        Parameter("cursor", "query", str, "`next` of the page before, with the same `sort`.", example="50"),
        *CONSISTENCY,
    ),
    problems=("invalid-parameter", "invalid-cursor", "user-not-found", *FRESHNESS_PROBLEMS),
    tags=("users",),
)


class HistoryResource:
    """What happened to a user, page by page; also after the deletion."""

    def __init__(self, past: Past, freshness: Freshness, public_url: str) -> None:
        self._past = past
        self._freshness = freshness
        self._public_url = public_url

    async def on_get(self, req: Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Answer with one page."""
        user_id = read_user_id(user_id)
        query = read_history_query(req.params)
        page = await self._freshness.read(req, resp, partial(self._past.history, user_id, query))
        resp.set_header(HEADER, page.token)
        cursor = None
        if page.last is not None:
            cursor = str(page.last)
            parameters = urlencode({**req.params, "cursor": cursor})
            resp.set_header("Link", f'<{self._public_url}/users/{user_id}/history?{parameters}>; rel="next"')
        resp.data = to_json({"items": page.items, "next": cursor})
