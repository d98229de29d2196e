"""The classic CRUD service that the product is compared with: Flask and SQLite, as Flask's documentation has them.

One connection per request in `g`, closed on teardown (the pattern "Using SQLite 3 with Flask"), SQLite's default
rollback journal, a unique index for the e-mail address. It keeps no history, sends no events and validates little, so
the comparison favours it. Runs under gunicorn with its default worker:

    DATABASE=/tmp/users.db gunicorn 'benchmarks.rivals.flask_sqlite:create_app()'
"""

import os
import sqlite3
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request, url_for
from werkzeug.exceptions import BadRequest, Conflict, NotFound

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    given TEXT,
    family TEXT,
    display_name TEXT,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    version INTEGER NOT NULL
)
"""
TEXT_FIELDS = ("email", "given", "family", "display_name")


def create_app(database: str | None = None) -> Flask:
    """Build the service on a database file, by default the one that the variable DATABASE names."""
    app = Flask(__name__)
    app.config["DATABASE"] = database or os.environ["DATABASE"]
    app.teardown_appcontext(close_connection)
    app.add_url_rule("/users", view_func=register, methods=["POST"])
    app.add_url_rule("/users", view_func=find_by_email, methods=["GET"])
    app.add_url_rule("/users/<user_id>", view_func=read, methods=["GET"])
    app.add_url_rule("/users/<user_id>", view_func=update, methods=["PATCH"])
    with app.app_context():
        connection().execute(SCHEMA)
    return app


def connection() -> sqlite3.Connection:
    """Return this request's connection."""
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    db: sqlite3.Connection = g.db
    return db


def close_connection(_error: BaseException | None) -> None:
    """Close what the request opened."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


def register() -> tuple[Response, int, dict[str, str]]:
    """Store a new user; 409 when the address is taken."""
    fields = _fields()
    if "@" not in (fields.get("email") or ""):
        raise BadRequest("email is required")
    now = datetime.now(UTC).isoformat()
    user: dict[str, Any] = {name: fields.get(name) for name in TEXT_FIELDS}
    user |= {"id": str(uuid.uuid4()), "status": "active", "created_at": now, "updated_at": now, "version": 1}
    try:
        with connection() as db:
            db.execute(
                "INSERT INTO users (id, email, given, family, display_name, status, created_at, updated_at, version)"
                " VALUES (:id, :email, :given, :family, :display_name, :status, :created_at, :updated_at, :version)",
                user,
            )
    except sqlite3.IntegrityError:
        raise Conflict("email is taken") from None
    return jsonify(_document(user)), 201, {"Location": url_for("read", user_id=user["id"])}


def read(user_id: str) -> Response:
    """Return one user by id."""
    return jsonify(_document(_load(user_id)))


def find_by_email() -> Response:
    """Return the users with this address: one or none."""
    email = request.args.get("email")
    if email is None:
        raise BadRequest("email is required")
    rows = connection().execute("SELECT * FROM users WHERE email = ?", (email,)).fetchall()
    return jsonify({"items": [_document(row) for row in rows]})


def update(user_id: str) -> Response:
    """Change the given fields."""
    fields = _fields()
    try:
        with connection() as db:
            user = dict(_load(user_id)) | fields
            user |= {"updated_at": datetime.now(UTC).isoformat(), "version": user["version"] + 1}
            db.execute(
                "UPDATE users SET email = :email, given = :given, family = :family, display_name = :display_name,"
                " updated_at = :updated_at, version = :version WHERE id = :id",
                user,
            )
    except sqlite3.IntegrityError:
        raise Conflict("email is taken") from None
    return jsonify(_document(user))


def _fields() -> dict[str, str | None]:
    body = request.get_json()
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise BadRequest("an object of strings is expected")
    if unknown := body.keys() - set(TEXT_FIELDS):
        raise BadRequest(f"unknown fields: {', '.join(sorted(unknown))}")
    return body


def _load(user_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection().execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise NotFound
    return row


def _document(user: sqlite3.Row | dict[str, Any]) -> dict[str, Any]:
    return {
        "id": user["id"],
        "email": user["email"],
        "name": {"given": user["given"], "family": user["family"]},
        "display_name": user["display_name"],
        "status": user["status"],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "version": user["version"],
    }
