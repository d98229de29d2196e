"""The audit log: who asked for what, when, from where, and what came of it.

A line for each request that may change something, and for each that was not let in. It names a user by id only.
"""

import logging
import re
from typing import Final

import falcon.asgi

from runtime import context
from runtime.access_table import OPEN_PATHS, READ, scope_of
from runtime.client_address import ClientAddresses
from runtime.observation import Request

_NOT_LET_IN: Final = frozenset({401, 403, 429})
_USER_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

log = logging.getLogger("audit")


class Audit:
    """Falcon middleware; has to come before those that refuse requests."""

    def __init__(self, addresses: ClientAddresses) -> None:
        """Take what tells where a request came from."""
        self._addresses = addresses
        # It is no matter of how much else is logged.
        log.setLevel(logging.INFO)

    async def process_response(
        self, req: Request, resp: falcon.asgi.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Write the line, if the request is one of those; of an import, which goes on, when it is taken on."""
        status, route = resp.status_code, req.uri_template
        if route is None or route in OPEN_PATHS:
            if status not in _NOT_LET_IN:
                return
        elif scope_of(req.method, route) == READ and status not in _NOT_LET_IN:
            return
        log.info(
            "audit",
            extra={
                "actor": context.actor.get() or None,
                "address": self._addresses.of(req),
                "method": req.method,
                "route": route,
                "user": _user(req, resp),
                "status": status,
                "outcome": "done" if status < 400 else "refused" if status < 500 else "failed",
            },
        )


def _user(req: Request, resp: falcon.asgi.Response) -> str | None:
    """Return the id of the user that a request is about; what is no id may be anything that was typed."""
    path = req.path
    if resp.status_code == 201:
        path = resp.get_header("Location") or path
    found = _USER_ID.search(path)
    return found.group().lower() if found else None
