"""The classic CRUD service that the product is compared with: Flask and SQLite, as Flask's documentation has them.

One connection per request in `g`, closed on teardown (the pattern "Using SQLite 3 with Flask"), SQLite's default
rollback journal, an index for each question that is asked. It keeps no history, sends no events and validates little,
so the comparison favours it. Runs under gunicorn with its default worker:

    DATABASE=/tmp/users.db gunicorn 'benchmarks.rivals.flask_sqlite:create_app()'
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request, url_for
from werkzeug.exceptions import Conflict, NotFound

from benchmarks.rivals.sql_users import COLUMNS, PAGE, document, new_user, requested_fields

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    given TEXT COLLATE NOCASE,
    family TEXT COLLATE NOCASE,
    display_name TEXT,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_creation ON users (created_at, id);
CREATE INDEX IF NOT EXISTS by_given_name ON users (given);
CREATE INDEX IF NOT EXISTS by_family_name ON users (family);
"""
INSERT = f"INSERT INTO users ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"


def create_app(database: str | None = None) -> Flask:
    """Build the service on a database file, by default the one that the variable DATABASE names."""
    app = Flask(__name__)
    app.config["DATABASE"] = database or os.environ["DATABASE"]
    app.teardown_appcontext(close_connection)
    app.add_url_rule("/users", view_func=register, methods=["POST"])
    app.add_url_rule("/users", view_func=find, methods=["GET"])
    app.add_url_rule("/users/<user_id>", view_func=read, methods=["GET"])
    app.add_url_rule("/users/<user_id>", view_func=update, methods=["PATCH"])
    with app.app_context():
        connection().executescript(SCHEMA)
    return app


def fill(database: Path, users: Iterable[Mapping[str, Any]]) -> None:
    """Store users in a new database file."""
    with closing(sqlite3.connect(database)) as db, db:
        db.executescript(SCHEMA)
        db.executemany(INSERT, users)


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
    user = new_user()
    try:
        with connection() as db:
            db.execute(INSERT, user)
    except sqlite3.IntegrityError:
        raise Conflict("email is taken") from None
    return jsonify(document(user)), 201, {"Location": url_for("read", user_id=user["id"])}


def read(user_id: str) -> Response:
    """Return one user by id."""
    return jsonify(document(_load(user_id)))


def find() -> Response:
    """Return the users with an address, those with a name that begins so, or those who came first."""
    email, start = request.args.get("email"), request.args.get("q")
    if email is not None:
        rows = connection().execute("SELECT * FROM users WHERE email = ?", (email,))
    elif start is not None:
        condition = "given LIKE ? OR family LIKE ? ORDER BY created_at, id"
        rows = connection().execute(f"SELECT * FROM users WHERE {condition} LIMIT {PAGE}", (f"{start}%", f"{start}%"))
    else:
        rows = connection().execute(f"SELECT * FROM users ORDER BY created_at, id LIMIT {PAGE}")
    return jsonify({"items": [document(row) for row in rows]})


def update(user_id: str) -> Response:
    """Change the given fields."""
    fields = requested_fields()
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
    return jsonify(document(user))


def _load(user_id: str) -> dict[str, Any]:
    row: sqlite3.Row | None = connection().execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise NotFound
    return dict(row)
