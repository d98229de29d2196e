"""The resources of many users: a list, page by page, and how many there are."""

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

import falcon.asgi
from pydantic_core import from_json, to_json

from query_api.cursors import Cursor
from query_api.directory import Directory
from query_api.freshness import HEADER, Freshness
from query_api.list_parameters import read_filters, read_users_query
from runtime.observation import Request

USERS_PATH: Final = "/users"
COUNT_PATH: Final = "/users/count"


class UsersResource:
    """Users by filters, in an order, page by page."""

    def __init__(self, directory: Directory, freshness: Freshness, public_url: str) -> None:
        self._directory = directory
        self._freshness = freshness
        self._url = public_url + USERS_PATH

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with one page; whole documents are passed on as they stand in the read models."""
        query = read_users_query(req.params)
        page = await self._freshness.read(req, resp, partial(self._directory.list_users, query.page))
        resp.set_header(HEADER, page.token)
        cursors = {
            relation: str(Cursor.at(query.identity, start))
            for relation, start in (("prev", page.previous), ("next", page.following))
            if start is not None
        }
        if cursors:
            links = (
                f'<{self._url}?{urlencode({**req.params, "cursor": cursor})}>; rel="{relation}"'
                for relation, cursor in cursors.items()
            )
            resp.set_header("Link", ", ".join(links))
        documents = page.documents
        if query.fields is not None:
            documents = [_trimmed(document, query.fields) for document in documents]
        resp.data = b'{"items":[%s],"next":%s}' % (b",".join(documents), to_json(cursors.get("next")))


class CountResource:
    """How many users there are who meet filters."""

    def __init__(self, directory: Directory, freshness: Freshness) -> None:
        self._directory = directory
        self._freshness = freshness

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with the number, and whether it is only as far as was counted."""
        filters = read_filters(req.params)
        counted = await self._freshness.read(req, resp, partial(self._directory.count_users, filters))
        resp.set_header(HEADER, counted.token)
        resp.data = to_json({"count": counted.count} | ({"at_least": True} if counted.at_least else {}))


def _trimmed(document: bytes, fields: Sequence[str]) -> bytes:
    user = from_json(document)
    return to_json({field: user[field] for field in fields if field in user})
