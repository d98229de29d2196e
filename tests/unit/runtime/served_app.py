"""The app that test_server.py has served; it misbehaves as APP_FAULT says."""

import asyncio
import os

import falcon.asgi

from runtime import json_body
from runtime.http import App, create_falcon_app
from runtime.settings import HttpSettings
from runtime.startup import StartupError


class _Slow:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        print("slow request began", flush=True)
        await asyncio.sleep(float(req.get_param("seconds", required=True)))
        resp.media = {"done": True}


class _Echo:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"pid": os.getpid()}

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = await json_body.read_json(req, 65536, ("application/json",))


def create_app(settings: HttpSettings) -> App:
    """Build the app, in the worker."""
    fault = os.environ.get("APP_FAULT")
    if fault == "factory":
        raise StartupError("Kafka cannot be reached;\nstart it")
    if fault == "bug":
        raise ValueError("a bug of the factory")

    async def open_clients() -> None:
        if fault == "hook":
            raise StartupError("the topic is missing")

    async def close_clients() -> None:
        print("clients closed", flush=True)

    app = create_falcon_app(
        {},
        name="served",
        checks={},
        access_log=settings.access_log,
        on_startup=[open_clients],
        on_shutdown=[close_clients],
    )
    app.add_route("/slow", _Slow())
    app.add_route("/echo", _Echo())
    return app
