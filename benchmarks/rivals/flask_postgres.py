"""The CRUD service on a database server: Flask and PostgreSQL, by psycopg's own pool.

The pool lives in each gunicorn worker, as psycopg's documentation has it; the server's settings are its defaults, so a
commit is on disk before it is answered (`synchronous_commit=on`). As many workers as gunicorn's documentation
recommends, so that commits can share a flush:

    DATABASE=postgresql://localhost/postgres gunicorn --workers 3 'benchmarks.rivals.flask_postgres:create_app()'
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
from flask import Flask, Response, current_app, jsonify, request, url_for
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool
from werkzeug.exceptions import Conflict, NotFound

from benchmarks.rivals.sql_users import COLUMNS, document, new_user

Pool = ConnectionPool[psycopg.Connection[DictRow]]

SCHEMA: LiteralString = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE,
    given text,
    family text,
    display_name text,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL
);
CREATE INDEX by_creation ON users (created_at, id);
CREATE INDEX by_given_name ON users (lower(given) text_pattern_ops);
CREATE INDEX by_family_name ON users (lower(family) text_pattern_ops);
"""
INSERT: LiteralString = """
INSERT INTO users (id, email, given, family, display_name, status, created_at, updated_at, version) VALUES
(%(id)s, %(email)s, %(given)s, %(family)s, %(display_name)s, %(status)s, %(created_at)s, %(updated_at)s, %(version)s)
"""


def create_app() -> Flask:
    """Build the service on the database that the variable DATABASE names."""
    app = Flask(__name__)
    app.extensions["pool"] = ConnectionPool(
        os.environ["DATABASE"], min_size=1, max_size=4, open=True, kwargs={"row_factory": dict_row}
    )
    app.add_url_rule("/users", view_func=register, methods=["POST"])
    app.add_url_rule("/users", view_func=find, methods=["GET"])
    app.add_url_rule("/users/<uuid:user_id>", view_func=read, methods=["GET"])
    return app


def fill(database: str, users: Iterable[Mapping[str, Any]]) -> None:
    """Make the table in an empty database and store users."""
    with psycopg.connect(database) as db:
        db.execute(SCHEMA)
        with db.cursor() as cursor, cursor.copy(f"COPY users ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for user in users:
                copy.write_row([user[name] for name in COLUMNS])
        db.execute("ANALYZE users")


def register() -> tuple[Response, int, dict[str, str]]:
    """Store a new user; 409 when the address is taken."""
    user = new_user()
    try:
        with _pool().connection() as db:
            db.execute(INSERT, user)
    except psycopg.errors.UniqueViolation:
        raise Conflict("email is taken") from None
    return jsonify(document(user)), 201, {"Location": url_for("read", user_id=user["id"])}


def read(user_id: str) -> Response:
    """Return one user by id."""
    with _pool().connection() as db:
        row = db.execute("SELECT * FROM users WHERE id = %s", (user_id,)).fetchone()
    if row is None:
        raise NotFound
    return jsonify(document(row))


def find() -> Response:
    """Return the users with an address, those with a name that begins so, or those who came first."""
    email, start = request.args.get("email"), request.args.get("q")
    with _pool().connection() as db:
        if email is not None:
            rows = db.execute("SELECT * FROM users WHERE email = %s", (email,)).fetchall()
        elif start is not None:
            pattern = f"{start.lower()}%"
            rows = db.execute(
                "SELECT * FROM users WHERE lower(given) LIKE %s OR lower(family) LIKE %s"
                " ORDER BY created_at, id LIMIT 50",
                (pattern, pattern),
            ).fetchall()
        else:
            rows = db.execute("SELECT * FROM users ORDER BY created_at, id LIMIT 50").fetchall()
    return jsonify({"items": [document(row) for row in rows]})


def _pool() -> Pool:
    pool: Pool = current_app.extensions["pool"]
    return pool
