"""Whether a process is alive and whether what it needs is there: /healthz, /readyz, and /metrics beside them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import falcon.asgi

from runtime import metrics
from runtime.problems import Problem

# Gives None when all is well, else a short reason. An exception counts as a reason, too.
AsyncCheck = Callable[[], Awaitable[str | None]]
CHECK_TIMEOUT_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Alive:
    """Answers 200 as long as the process answers at all."""

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer that this process is alive."""
        resp.data = b'{"status":"alive"}'


class Ready:
    """Answers 200 when every check passes, else 503 naming those that do not."""

    def __init__(self, checks: Mapping[str, AsyncCheck]) -> None:
        self._checks = checks

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Run all checks at once, each for two seconds at most."""
        reasons = await asyncio.gather(*(_reason(name, check) for name, check in self._checks.items()))
        results = {name: reason or "ok" for name, reason in zip(self._checks, reasons, strict=True)}
        failing = [name for name, reason in results.items() if reason != "ok"]
        if failing:
            detail = f"Not ready: {', '.join(failing)}."
            raise Problem("service-unavailable", detail, extensions={"checks": results})
        resp.media = {"status": "ready", "checks": results}


class Metrics:
    """Serves the metrics of all worker processes in Prometheus's text format."""

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Render in a thread: with several workers their files are read from disk."""
        resp.data, resp.content_type = await asyncio.to_thread(metrics.render)


async def _reason(name: str, check: AsyncCheck) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check()
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # whatever it is, this dependency cannot be used
        log.warning("readiness check failed", exc_info=error, extra={"check": name})
        return type(error).__name__
