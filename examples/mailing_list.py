"""Keep a mailing list in step with the directory: `python examples/mailing_list.py LIST.db [BROKERS]`.

A batch, the letters that it leads to and the place behind it are one transaction of SQLite. So whenever the process is
killed it goes on where it was, and each change has its effect exactly once.
"""

import os
import signal
import sqlite3
import sys

from user_directory_events import UserRegistered, UserReinstated, UserSuspended
from user_directory_events.consumer import Batch, Changed, Checkpoint, Item, Loaded, follow

SCHEMA = """
CREATE TABLE IF NOT EXISTS subscribers (id TEXT PRIMARY KEY, version INT, email TEXT, active INT);
CREATE TABLE IF NOT EXISTS letters (number INTEGER PRIMARY KEY, user TEXT, email TEXT, kind TEXT);
CREATE TABLE IF NOT EXISTS place (id INT PRIMARY KEY CHECK (id = 1), checkpoint TEXT);
"""
FIND = "SELECT version, email, active FROM subscribers WHERE id = ?"
NOBODY = (0, "", True)


def apply(db: sqlite3.Connection, batch: Batch) -> None:
    """Store a batch with its checkpoint: both or nothing."""
    with db:
        for item in batch:
            if item.forgets:
                forget(db, item)
            elif isinstance(item, Changed):
                change(db, item)
            elif item.user is not None:
                put(db, item.user_id, item.user.version, item.user.email, active=item.user.status == "active")
        db.execute("REPLACE INTO place VALUES (1, ?)", (batch.checkpoint.to_json(),))


def change(db: sqlite3.Connection, item: Changed) -> None:
    """Note what changed, and write to those who came or moved."""
    _, email, active = db.execute(FIND, (item.user_id,)).fetchone() or NOBODY
    active = isinstance(item.event, UserReinstated) or (active and not isinstance(item.event, UserSuspended))
    new = getattr(item.event.data, "email", None) or email
    put(db, item.user_id, item.event.sequence, new, active=active)
    if new != email:
        letter(db, item.user_id, new, "welcome" if isinstance(item.event, UserRegistered) else "new address")


def forget(db: sqlite3.Connection, item: Item) -> None:
    """Delete a user and say farewell; of one who was erased no letter stays either."""
    for (email,) in db.execute("DELETE FROM subscribers WHERE id = ? RETURNING email", (item.user_id,)).fetchall():
        letter(db, item.user_id, email, "farewell")
    if isinstance(item, Loaded) or item.erases:
        db.execute("DELETE FROM letters WHERE user = ?", (item.user_id,))


def put(db: sqlite3.Connection, user: str, version: int, email: str, *, active: bool) -> None:
    """Set a user's row."""
    db.execute("REPLACE INTO subscribers VALUES (?, ?, ?, ?)", (user, version, email, active))


def letter(db: sqlite3.Connection, user: str, email: str, kind: str) -> None:
    """Leave a letter to whoever sends them."""
    db.execute("INSERT INTO letters (user, email, kind) VALUES (?, ?, ?)", (user, email, kind))


if __name__ == "__main__":
    path, brokers = sys.argv[1], (*sys.argv[2:], "127.0.0.1:9092")[0]
    list_db = sqlite3.connect(path)
    list_db.executescript(SCHEMA)
    (stored,) = list_db.execute("SELECT checkpoint FROM place").fetchone() or (None,)
    with follow(
        brokers,
        checkpoint=Checkpoint.from_json(stored) if stored else None,
        known_version=lambda user: (list_db.execute(FIND, (user,)).fetchone() or NOBODY)[0],
        changes_topic=os.environ.get("CHANGES_TOPIC", "user-changes"),
        users_topic=os.environ.get("USERS_TOPIC", "users"),
    ) as follower:
        signal.signal(signal.SIGTERM, lambda *_: follower.stop())
        for each in follower:
            apply(list_db, each)
