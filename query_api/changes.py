"""The resource of the change feed."""

import asyncio
import time
from math import inf
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from query_api.change_client import ChangeClient, Wanted
from query_api.change_feed import ChangeFeed
from query_api.change_log import LostBecause
from query_api.change_messages import MEDIA_TYPE, RESET
from query_api.parameters import read_user_id
from query_api.query_strings import Readers, read_all
from read_models.feed import FeedPosition, InvalidFeedPosition
from runtime import context
from runtime.observation import Request
from runtime.openapi import Header, Operation, Parameter, Response
from runtime.problems import FieldError, Problem
from user_directory_events.timestamps import Timestamp

CHANGES_PATH: Final = "/changes"
TYPES: Final = (
    "user.registered",
    "user.updated",
    "user.suspended",
    "user.reinstated",
    "user.deleted",
    "user.erased",
)

_EXAMPLE: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "01936e0b-8a11-7c22-8d33-5c8d1e2f3a4b",
    "source": "/user-directory",
    "type": "user.updated",
    "dataschema": "user.updated/1",
    "subject": "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
    "time": "2026-11-24T08:31:07.456Z",
    "sequence": 2,
    "data": {"display_name": "Countess", "external_id": None},
}
_EXAMPLE_ID: Final = "01936e09-11aa-7b22-8c33-1d44e55f6677.17.4.0.1284"


class AcceptedChange(BaseModel):
    """An accepted change: a CloudEvents 1.0 event."""

    specversion: Literal["1.0"]
    id: Annotated[UUID, Field(description="Id of the event in the log")]
    source: Literal["/user-directory"]
    type: Annotated[str, Field(description="What happened", examples=list(TYPES))]
    dataschema: Annotated[str, Field(description="Schema of `data` with its version", examples=["user.updated/1"])]
    subject: Annotated[UUID, Field(description="The user's id")]
    time: Annotated[Timestamp, Field(description="When it was decided")]
    sequence: Annotated[int, Field(ge=1, description="The user's version after it")]
    actor: Annotated[str | None, Field(description="An opaque id of who asked for it; absent: not known")] = None
    data: Annotated[
        dict[str, Any],
        Field(description="Each changed field with its new value; null: removed. Of a registration all fields."),
    ]


class Reset(BaseModel):
    """Changes are missing: load the users again."""

    reason: LostBecause
    detail: str


class ChangeMessage(BaseModel):
    """One server-sent event."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": _EXAMPLE_ID, "event": _EXAMPLE["type"], "data": to_json(_EXAMPLE).decode()}]
        }
    )

    id: Annotated[str, Field(description="The place behind it: `Last-Event-ID` of the next connection")]
    event: Annotated[str, Field(description="The type of the change, or `reset`", examples=[*TYPES, RESET])]
    data: Annotated[
        str,
        Field(
            description="The change as JSON, in one line; of a `reset` why",
            json_schema_extra={
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": [AcceptedChange.model_json_schema(), Reset.model_json_schema()]},
            },
        ),
    ]


CHANGES: Final = Operation(
    "GET",
    CHANGES_PATH,
    "followChanges",
    "Every accepted change, as it happens",
    {
        200: Response(
            "Server-sent events without an end: `event` is the type, `data` the change, `id` the place to go on from.",
            ChangeMessage,
            {"Cache-Control": Header("`no-store`")},
            MEDIA_TYPE,
        )
    },
    description="Each accepted change comes once, in order for each user; between users there is no order. A client "
    "that connects again with the last `id` that it got goes on right behind it, at any process, also after this or "
    "Redis was restarted. The `id` counts also where there is no `data`: the first message tells where a new client "
    "begins, heartbeats how far one is that wants few changes only. After `event: reset` changes are missing, as the "
    "`id` was older than what is kept, or of another log: load the users again, and of the changes that follow take "
    "those with a `sequence` above the `version` that you have. Of a user who was erased only the erasure is told to "
    "those who come later.",
    parameters=(
        Parameter(
            "type",
            "query",
            Annotated[str, Field(json_schema_extra={"pattern": f"^({'|'.join(TYPES)})(,({'|'.join(TYPES)}))*$"})],
            "Only changes of these types, separated by commas.",
            example="user.registered,user.deleted",
        ),
        Parameter("user", "query", UUID, "Only changes of this user.", example=_EXAMPLE["subject"]),
        Parameter(
            "last_event_id",
            "query",
            str,
            "As `Last-Event-ID`, which wins: for a browser that goes on after a page was closed.",
            example=_EXAMPLE_ID,
        ),
        Parameter(
            "Last-Event-ID",
            "header",
            str,
            "The last `id` that the client got: go on from there. Without it: from now on.",
            example=_EXAMPLE_ID,
        ),
    ),
    problems=("invalid-parameter", "invalid-event-id"),
    tags=("changes",),
)


class ChangesResource:
    """The accepted changes as server-sent events."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with what happens from now on, or from where the client was."""
        if not req.client_accepts(MEDIA_TYPE):
            raise Problem("not-acceptable", f"This is only available as {MEDIA_TYPE}.")
        asked = read_all(req.params, _READERS)
        header = req.raw_header(b"last-event-id")
        position = _position(header.decode("latin-1") if header is not None else asked.get("last_event_id"))
        resp.content_type = MEDIA_TYPE
        resp.set_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        if req.method == "HEAD":
            return
        client = await self._feed.connect(Wanted(asked.get("type"), asked.get("user")), position)
        # The server does not tell a response that the client has gone, nor end one that nobody takes any more.
        gone = asyncio.create_task(req.disconnected())
        gone.add_done_callback(lambda _: client.end())
        access = _end_with_access(client)

        def leave(_: object) -> None:
            gone.cancel()
            if access is not None:
                access.cancel()
            self._feed.disconnect(client)

        if (request := asyncio.current_task()) is not None:
            request.add_done_callback(leave)
        resp.stream = client.messages()


def _end_with_access(client: ChangeClient) -> asyncio.TimerHandle | None:
    """Let nobody follow the changes for longer than the token allows; the client comes again with a new one."""
    ends = context.access_ends.get()
    return None if ends == inf else asyncio.get_running_loop().call_later(max(0.0, ends - time.time()), client.end)


def _types(text: str) -> frozenset[str]:
    asked = frozenset(text.split(","))
    if not asked <= frozenset(TYPES):
        raise ValueError(f"must be some of {', '.join(TYPES)}, separated by commas")
    return asked


def _user(text: str) -> str:
    try:
        return read_user_id(text)
    except Problem as problem:
        raise ValueError(problem.errors[0].detail) from None


def _position(text: str | None) -> FeedPosition | None:
    if not text:
        return None
    try:
        return FeedPosition.parse(text)
    except InvalidFeedPosition as error:
        fault = FieldError("", f"is {error}", parameter="Last-Event-ID")
        raise Problem("invalid-event-id", "The last event id was not made here.", errors=[fault]) from None


_READERS: Final[Readers] = {"type": _types, "user": _user, "last_event_id": str}
