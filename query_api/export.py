"""All users in one answer, streamed."""

import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final

import falcon.asgi

from query_api.description_parts import CONSISTENCY, EXAMPLE_USER, FRESHNESS, FRESHNESS_PROBLEMS
from query_api.directory import Directory, ListQuery, Start, UserPage
from query_api.freshness import HEADER, Freshness
from query_api.parameters import UUID
from query_api.query_strings import Readers, read_all
from read_models.consistency import ConsistencyToken
from read_models.ids import raw_id
from read_models.listing import behind, instant, time_bytes
from runtime.observation import Request
from runtime.openapi import Operation, Parameter, Response
from runtime.streaming import while_connected
from user_directory_events import User
from user_directory_events.timestamps import to_milliseconds

EXPORT_PATH: Final = "/users/export"
MEDIA_TYPE: Final = "application/x-ndjson"
_USERS_AT_ONCE: Final = 250

_PLACE: Final = re.compile(rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z),({UUID.pattern})", re.ASCII)


EXPORT: Final = Operation(
    "GET",
    EXPORT_PATH,
    "exportUsers",
    "Every user, a line each",
    {200: Response("The users, oldest first: a document a line.", User, {**FRESHNESS}, MEDIA_TYPE, [EXAMPLE_USER])},
    description="The answer is made while it is sent. Every user who is there from its beginning to its end is in it "
    "exactly once, in a state at least as new as its `Consistency-Token`. If it breaks off, the connection is closed "
    "before the last chunk: go on with `after` and with the token of the first answer, and together the parts "
    "have each such user once. After the last line the answer is empty.",
    parameters=(
        Parameter(
            "after",
            "query",
            str,
            "Where to go on: `created_at` and `id` of the last line received in full, joined by a comma.",
            example=f"{EXAMPLE_USER['created_at']},{EXAMPLE_USER['id']}",
        ),
        *CONSISTENCY,
    ),
    problems=("invalid-parameter", *FRESHNESS_PROBLEMS),
    tags=("users",),
)


class ExportResource:
    """Every user, a line each, oldest first.

    The answer is made of pages, each from one moment. All are at least as new as the token of the first, and a place in
    the order of creation never moves; so every user who is there throughout comes once.
    """

    def __init__(self, directory: Directory, freshness: Freshness) -> None:
        self._directory = directory
        self._freshness = freshness

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with the first page once it is read, and go on while the client takes them."""
        after = read_all(req.params, _READERS).get("after")
        first = await self._freshness.read(req, resp, partial(self._page, after))
        resp.set_header(HEADER, first.token)
        resp.content_type = MEDIA_TYPE
        resp.stream = while_connected(req, self._lines(first))

    async def _lines(self, page: UserPage) -> AsyncGenerator[bytes, None]:
        begun_at = ConsistencyToken.parse(page.token)
        while True:
            if page.documents:
                yield b"\n".join(page.documents) + b"\n"
            if page.following is None:
                return
            page = await self._page(page.following, begun_at)

    async def _page(self, start: Start | None, seen: ConsistencyToken | None) -> UserPage:
        return await self._directory.list_users(ListQuery(_USERS_AT_ONCE, start=start), seen)


def _start_behind(text: str) -> Start:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ValueError("must be `created_at` and `id` of the last line received, joined by a comma")
    try:
        created = to_milliseconds(match[1])
    except ValueError:
        raise ValueError("must begin with a time that there is") from None
    return Start(behind("created_at", time_bytes(instant(created)) + raw_id(match[2].lower())))


_READERS: Final[Readers] = {"after": _start_behind}
