"""Steady load on the directory, run inside the cluster by `tests.cluster` with the standard library alone.

Writers register users, readers read what was registered before, each over a kept connection like a gateway's and, every
tenth request, over a fresh one. It ends when the file STOP appears, and prints one JSON document of what happened:
every request has its expected answer, is `pending` (202) and settled later, or is a failure.
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import sys
import threading
import time
import uuid

HEADERS = {"Content-Type": "application/json"}
FRESH_CONNECTION_EVERY = 10
SETTLE_SECONDS = 60


class Client:
    """One thread's connection to one service."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: http.client.HTTPConnection | None = None
        self._sent = 0

    def request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Return status, Location and body; an OSError or HTTPException says that there was no answer."""
        self._sent += 1
        if self._connection is None or self._sent % FRESH_CONNECTION_EVERY == 0:
            self.close()
            self._connection = http.client.HTTPConnection(self._address, timeout=30)
        content = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, content, {**(HEADERS if content else {}), **(headers or {})})
            answer = self._connection.getresponse()
            return answer.status, answer.headers.get("Location") or "", answer.read()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """The threads and what they saw."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.registered: list[str] = []
        self.pending: list[str] = []
        self.answers: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self.slowest = 0.0

    def run(self) -> None:
        """Run until the stop file is there."""
        threads = [threading.Thread(target=self._write) for _ in range(self._arguments.writers)]
        threads += [threading.Thread(target=self._read) for _ in range(self._arguments.readers)]
        for thread in threads:
            thread.start()
        stop = pathlib.Path(self._arguments.stop)
        while not stop.exists():
            time.sleep(0.2)
        self._stop.set()
        for thread in threads:
            thread.join()
        stop.unlink()

    def _write(self) -> None:
        client = Client(self._arguments.writes)
        while not self._stop.wait(self._arguments.pause):
            body = {"email": f"load-{uuid.uuid4()}@example.org", "display_name": "Load"}
            self._try(client, "POST", "/users", body)

    def _read(self) -> None:
        client = Client(self._arguments.reads)
        while not self._stop.wait(self._arguments.pause):
            path = f"/users/{random.choice(self.registered)}" if self.registered else "/users?limit=1"
            self._try(client, "GET", path)

    def _try(self, client: Client, method: str, path: str, body: object = None) -> None:
        started = time.monotonic()
        failure = ""
        status: int | str
        try:
            status, location, content = client.request(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            status, location, content = type(error).__name__, "", b""
            failure = repr(error)
        with self._lock:
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.answers[f"{method} {status}"] += 1
            if status == 201:
                self.registered.append(json.loads(content)["id"])
            elif status == 202:
                self.pending.append(location)
            elif status != 200:
                when = time.strftime("%H:%M:%S")
                self.failures.append(f"{when} {method} {status} {failure or content.decode(errors='replace')[:200]}")

    def settle(self) -> list[str]:
        """Return the pending writes that were not accepted in the end; add the others to what is registered."""
        client = Client(self._arguments.writes)
        refused = []
        deadline = time.monotonic() + SETTLE_SECONDS
        for location in self.pending:
            outcome: dict[str, str] = {"status": "unknown"}
            while time.monotonic() < deadline and outcome["status"] in ("unknown", "pending"):
                try:
                    outcome = json.loads(client.request("GET", location)[2])
                except (OSError, http.client.HTTPException, ValueError):
                    time.sleep(0.5)
                else:
                    time.sleep(0.1 if outcome["status"] == "pending" else 0)
            if outcome["status"] == "accepted":
                self.registered.append(outcome["user_id"])
            else:
                refused.append(f"{location} {outcome}")
        return refused

    def lost(self) -> list[str]:
        """Return the acknowledged users that cannot be read; patient while the read models come back."""
        client = Client(self._arguments.reads)
        deadline = time.monotonic() + SETTLE_SECONDS
        missing = []
        for user in self.registered:
            status = 0
            while status != 200 and (status != 404 or time.monotonic() < deadline) and time.monotonic() < deadline + 30:
                try:
                    status = client.request("GET", f"/users/{user}")[0]
                except (OSError, http.client.HTTPException):
                    status = 0
                if status != 200:
                    time.sleep(0.5)
            if status != 200:
                missing.append(user)
        return missing


def main() -> None:
    """Load, settle, verify, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("writes", help="host:port of the command API")
    parser.add_argument("reads", help="host:port of the query API")
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests of a thread")
    parser.add_argument("--stop", default="/tmp/stop", help="file that ends it")
    load = Load(parser.parse_args())
    load.run()
    report = {
        "answers": dict(sorted(load.answers.items())),
        "slowest_seconds": round(load.slowest, 2),
        "failures": load.failures,
        "pending_not_accepted": load.settle(),
        "acknowledged": len(load.registered),
        "lost": load.lost(),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
