"""The resource of one user."""

from functools import partial
from typing import Final

import falcon
import falcon.asgi

from query_api.directory import Directory, FoundUser
from query_api.freshness import Freshness
from query_api.parameters import read_user_id
from query_api.past import Past
from query_api.past_parameters import read_past_query
from runtime.observation import Request

USER_PATH: Final = "/users/{user_id}"


class UserResource:
    """One user by id; written for speed: nearly all requests end here."""

    def __init__(self, directory: Directory, past: Past, freshness: Freshness) -> None:
        self._directory = directory
        self._past = past
        self._freshness = freshness

    async def on_get(self, req: Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Answer with the user's document as it stands in the read models, or as it was."""
        user_id = read_user_id(user_id)
        if req.query_string:
            found = await self._past_user(req, resp, user_id)
        elif req.raw_header(b"consistency-token") is None:
            found = await self._directory.user(user_id, None)
        else:
            found = await self._freshness.read(req, resp, partial(self._directory.user, user_id))
        document, version, token, latest = found
        resp.set_header("etag", f'"{version}"')
        resp.set_header("consistency-token", token)
        if latest is not None:
            resp.set_header("latest-version", f'"{latest}"')
        if req.raw_header(b"if-none-match") is not None and _has(req, version):
            resp.status = falcon.HTTP_304
        else:
            resp.data = document

    async def _past_user(self, req: Request, resp: falcon.asgi.Response, user_id: str) -> FoundUser:
        query = read_past_query(req.params)
        if query.version is not None:
            ask = partial(self._past.at_version, user_id, query.version)
        elif query.at_ms is not None:
            ask = partial(self._past.at_time, user_id, query.at_ms)
        else:
            ask = partial(self._directory.user, user_id)
        return await self._freshness.read(req, resp, ask)


def _has(req: Request, version: str) -> bool:
    """Say whether the client has this version already: If-None-Match compares weakly (RFC 9110, section 13.1.2)."""
    return any(tag in ("*", version) for tag in req.if_none_match or ())
