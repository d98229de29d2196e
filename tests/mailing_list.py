"""The mailing list of examples/ as a process that can be killed, and the database that it keeps."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "mailing_list.py"


class MailingList:
    """The example as a process, and the database that it keeps."""

    def __init__(self, bootstrap: str, changes_topic: str, users_topic: str, path: Path) -> None:
        self.path = path
        self._environ = {**os.environ, "CHANGES_TOPIC": changes_topic, "USERS_TOPIC": users_topic}
        self._command = [sys.executable, str(EXAMPLE), str(path), bootstrap]
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self.process = subprocess.Popen(self._command, env=self._environ)

    def kill(self) -> None:
        """Kill it without a warning."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL, "it had ended by itself"

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask its database; nothing where it has not begun."""
        with closing(sqlite3.connect(self.path, timeout=10)) as db:
            begun = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'place'").fetchone() == (1,)
            return db.execute(query).fetchall() if begun else []

    def wait(self, query: str, wanted: object, seconds: float = 60) -> None:
        """Wait until a query has this answer."""
        deadline = time.monotonic() + seconds
        while (found := self.rows(query)) != wanted:
            assert self.process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, (query, found[:5], wanted)
            time.sleep(0.02)

    def wait_loaded(self) -> None:
        """Wait until it follows the changes."""
        self.wait("SELECT count(*) FROM place WHERE checkpoint NOT LIKE '%until%'", [(1,)])

    def end(self) -> None:
        """End it in order."""
        self.process.terminate()
        assert self.process.wait(20) == 0
