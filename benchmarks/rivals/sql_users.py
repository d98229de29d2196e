"""What the two services on SQL databases have in common: the columns, what a body may say, the documents."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

COLUMNS = ("id", "email", "given", "family", "display_name", "status", "created_at", "updated_at", "version")
TEXT_FIELDS = ("email", "given", "family", "display_name")
PAGE = 50


def new_user() -> dict[str, Any]:
    """Return the row that a request to register asks for; 400 where it is none."""
    fields = requested_fields()
    if "@" not in (fields.get("email") or ""):
        raise BadRequest("email is required")
    now = datetime.now(UTC).isoformat()
    user: dict[str, Any] = {name: fields.get(name) for name in TEXT_FIELDS}
    return user | {"id": str(uuid.uuid4()), "status": "active", "created_at": now, "updated_at": now, "version": 1}


def requested_fields() -> dict[str, str | None]:
    """Return the body's fields; 400 where one is unknown or no text."""
    body = request.get_json()
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise BadRequest("an object of strings is expected")
    if unknown := body.keys() - set(TEXT_FIELDS):
        raise BadRequest(f"unknown fields: {', '.join(sorted(unknown))}")
    return body


def document(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client is shown of a row."""
    names = {"given": user["given"], "family": user["family"]}
    shown = {name: user[name] for name in COLUMNS if name not in ("given", "family")}
    return {**shown, "name": names}
