r"""A service on FastAPI, uvicorn and Redis, with the plain layout: a user is a JSON text under the id.

Reads hand on the stored text by `Response`, as FastAPI's documentation advises where a model is not needed, so the
comparison favours it. It keeps nothing but what Redis keeps, and has one index, by creation. `PLUMBING` says how
Redis is reached: `pool` is redis-py's pool, one connection for each request under way; `link` is the directory's own
`RedisConnection`, so that all that differs from the directory is what stands above it.

    PLUMBING=pool REDIS_URL=redis://localhost uvicorn --no-access-log \
        --factory benchmarks.rivals.fastapi_redis:create_app
"""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol

import orjson
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from redis import Redis
from redis import asyncio as redis_asyncio

from runtime.redis_connection import RedisConnection

Command = tuple[Any, ...]

PREFIX: Final = "plain"
BY_CREATION: Final = f"{PREFIX}:by-creation"
_JSON: Final = "application/json"
_PAGE: Final = 50


class Plumbing(Protocol):
    """How Redis is reached."""

    def execute(self, *command: Any) -> Awaitable[Any]: ...

    def execute_many(self, commands: list[Command]) -> Awaitable[list[Any]]: ...

    def close(self) -> Awaitable[None]: ...


class Pool:
    """Reach Redis by redis-py, as its documentation has it."""

    def __init__(self, url: str) -> None:
        # The default, 100, answers 500 when more clients ask at once.
        self._redis: Any = redis_asyncio.from_url(url, max_connections=1000)
        self.execute = self._redis.execute_command
        self.close = self._redis.aclose

    async def execute_many(self, commands: list[Command]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = await pipeline.execute()
            return replies


class NewUser(BaseModel):
    """What a request to register says."""

    model_config = ConfigDict(extra="forbid")
    email: Annotated[str, Field(pattern="@")]
    given: str | None = None
    family: str | None = None
    display_name: str | None = None


def create_app() -> FastAPI:
    """Build the service on the Redis that the variable REDIS_URL names."""
    app = FastAPI(lifespan=_lifespan)
    app.add_api_route("/users", _register, methods=["POST"], status_code=201)
    app.add_api_route("/users", _find, methods=["GET"])
    app.add_api_route("/users/{user_id}", _read, methods=["GET"])
    return app


def fill(url: str, users: Iterable[Mapping[str, Any]]) -> None:
    """Store users."""
    with Redis.from_url(url) as redis, redis.pipeline(transaction=False) as pipeline:
        for user in users:
            for command in _storing(user["id"], user["email"], orjson.dumps(user), user["created_at"]):
                pipeline.execute_command(*command)
        pipeline.execute()


class _State:
    redis: Plumbing


_state = _State()


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["REDIS_URL"]
    if os.environ["PLUMBING"] == "link":
        link = RedisConnection(url)
        await link.start()
        _state.redis = link
    else:
        _state.redis = Pool(url)
    yield
    await _state.redis.close()


async def _register(user: NewUser) -> Response:
    user_id, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
    claimed = await _state.redis.execute("SET", f"{PREFIX}:email:{user.email}", user_id, "NX")
    if claimed is None:
        raise HTTPException(409, "email is taken")
    stored = {"id": user_id, **user.model_dump(), "created_at": now, "updated_at": now, "version": 1}
    document = orjson.dumps(stored)
    await _state.redis.execute_many(_storing(user_id, user.email, document, now)[1:])
    return Response(document, 201, {"Location": f"/users/{user_id}"}, _JSON)


async def _read(user_id: uuid.UUID) -> Response:
    document = await _state.redis.execute("GET", f"{PREFIX}:user:{user_id}")
    if document is None:
        raise HTTPException(404)
    return Response(document, media_type=_JSON)


async def _find(email: str | None = None) -> Response:
    if email is not None:
        user_id = await _state.redis.execute("GET", f"{PREFIX}:email:{email}")
        ids = [] if user_id is None else [user_id]
    else:
        members = await _state.redis.execute("ZRANGE", BY_CREATION, 0, _PAGE - 1)
        ids = [member[-36:] for member in members]
    keys = [f"{PREFIX}:user:{user_id.decode()}" for user_id in ids]
    documents = await _state.redis.execute("MGET", *keys) if keys else []
    return Response(b'{"items":[%s]}' % b",".join(documents), media_type=_JSON)


def _storing(user_id: str, email: str, document: bytes, created_at: str) -> list[Command]:
    return [
        ("SET", f"{PREFIX}:email:{email}", user_id),
        ("SET", f"{PREFIX}:user:{user_id}", document),
        ("ZADD", BY_CREATION, 0, f"{created_at}:{user_id}"),
    ]
