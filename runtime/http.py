"""The Falcon application that both HTTP services are built on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import falcon
import falcon.asgi
import falcon.media
import falcon.routing
import orjson

from runtime import docs_page, health, logs, problems, startup
from runtime.access_schema import secured
from runtime.direct_answers import DirectAnswers, DirectRoute
from runtime.direct_protocol import DIRECT_ANSWERS
from runtime.guards import NO_GUARDS, Guards
from runtime.observation import Observation, Request
from runtime.uvicorn_protocol import DRAIN_HOOKS

if TYPE_CHECKING:
    from runtime.spans import Tracing

Hook = Callable[[], Awaitable[None]]
DrainHook = Callable[[], None]
App = falcon.asgi.App[Request, falcon.asgi.Response]

_METRICS_TYPE: Final = "text/plain"
_ACCESS_LOGGER: Final = "access"


def create_falcon_app(
    openapi: Mapping[str, Any],
    *,
    name: str,
    checks: Mapping[str, health.AsyncCheck],
    guards: Guards = NO_GUARDS,
    tracing: "Tracing | None" = None,
    access_log: bool = False,
    on_startup: Sequence[Hook] = (),
    on_shutdown: Sequence[Hook] = (),
    on_drain: Sequence[DrainHook] = (),
    direct_route: DirectRoute | None = None,
    other_media_types: Mapping[str, str] | None = None,
) -> App:
    """Make an app that knows all but the service's own routes.

    It serves /healthz, /readyz (from `checks`), /metrics, /openapi.json (behind a gateway with others, by its `name`:
    /openapi/<name>.json) and the page /docs; answers HEAD wherever GET is; gives every
    request an id, a trace, metrics and, with `access_log`, a log line; answers failures with problem documents.
    `on_startup` runs before the first request and may raise StartupError; `on_shutdown` runs after the last one, in
    reverse order. `on_drain` runs when the server begins to stop, for answers that have no end of their own; it may run
    more than once. `direct_route` answers plain requests beside the route of the same template, by the server's
    protocol. `other_media_types` names the paths that answer with something else than JSON. `guards` decide who is let
    in; without any everybody is. With `tracing`, which is closed last, each request is a span, so none is direct.
    """
    media_types = {"/metrics": _METRICS_TYPE, **docs_page.MEDIA_TYPES, **(other_media_types or {})}
    logged = access_log and logging.getLogger(_ACCESS_LOGGER).isEnabledFor(logging.INFO)
    observation = Observation(media_types, logs.line_writer(_ACCESS_LOGGER) if logged else None)
    if guards.access is not None:
        openapi = secured(openapi)
        checks = {**checks, "token-keys": guards.access.keys.not_ready_because}
    on_startup, on_shutdown = [*guards.on_startup, *on_startup], [*guards.on_shutdown, *on_shutdown]
    observers: list[Any] = [observation]
    state: dict[str, Any] = {DRAIN_HOOKS: on_drain}
    if tracing is not None:
        from runtime.request_spans import RequestSpans

        observers.append(RequestSpans(tracing))
        on_shutdown = [partial(asyncio.to_thread, tracing.close), *on_shutdown]
    elif direct_route is not None:
        state[DIRECT_ANSWERS] = DirectAnswers(direct_route, guards, observation)
    app: App = falcon.asgi.App(
        request_type=Request,
        middleware=[*observers, *guards.middleware, _Lifespan(on_startup, on_shutdown, state)],
        router=_Router(),
    )
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = falcon.media.JSONHandler(orjson.dumps, orjson.loads)
    # A pair such as `?email=a,b` is one value: an e-mail address may hold a comma.
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    problems.install(app)
    app.add_route("/healthz", health.Alive())
    app.add_route("/readyz", health.Ready(checks))
    app.add_route("/metrics", health.Metrics())
    document = _Document(orjson.dumps(openapi))
    app.add_route("/openapi.json", document)
    app.add_route(f"/openapi/{name}.json", document)
    app.add_route(docs_page.PAGE_PATH, docs_page.DocsPage())
    app.add_route(f"{docs_page.PAGE_PATH}/{{name}}", docs_page.DocsFile())
    return app


class _Router(falcon.routing.CompiledRouter):
    """Falcon's router, with HEAD wherever GET is."""

    def map_http_methods(self, resource: object, **kwargs: Any) -> dict[str, Any]:
        """Map HEAD to the responder of GET; Falcon then sends its headers without its body."""
        methods: dict[str, Any] = super().map_http_methods(resource, **kwargs)
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        return methods


class _Lifespan:
    """Runs the service's hooks on the ASGI lifespan events."""

    def __init__(self, on_startup: Sequence[Hook], on_shutdown: Sequence[Hook], state: Mapping[str, Any]) -> None:
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown
        self._state = state

    async def process_startup(self, scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        # What the server's protocol asks of us beside ASGI: to know of the end before all answers are complete, and
        # direct answers.
        scope.get("state", {}).update(self._state)
        try:
            for hook in self._on_startup:
                await hook()
        except startup.StartupError as error:
            # The lifespan protocol would carry it on as a traceback; the server wants the line.
            startup.remember(error)
            raise

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        failures = []
        for hook in reversed(self._on_shutdown):
            try:
                await hook()
            except Exception as error:  # noqa: BLE001 - the others must be closed as well
                failures.append(error)
        if failures:
            raise ExceptionGroup("shutdown hooks failed", failures)


class _Document:
    """Serves one JSON document that never changes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def on_get(self, _req: Request, resp: falcon.asgi.Response) -> None:
        resp.data = self._content
