"""Writes for the change feed to tell: users are registered and changed, by many writers at once."""

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Lock
from typing import Final

from benchmarks.patient_client import PatientClient, Trouble

_CHANGES_PER_USER: Final = 10
_PATIENCE_SECONDS: Final = 120.0


def write(command_url: str, *, writes: int, writers: int, trouble: Trouble, on_write: Callable[[int], None]) -> None:
    """Send writes until so many were answered; `on_write` is told of each, by its number, in a writer's thread."""
    numbers, lock = count(1), Lock()

    def take() -> int | None:
        with lock:
            number = next(numbers)
        return number if number <= writes else None

    def one_writer(_: int) -> None:
        client = PatientClient(command_url, patience_seconds=_PATIENCE_SECONDS, trouble=trouble)
        path, left = "", 0
        while (number := take()) is not None:
            if left == 0:
                left = _CHANGES_PER_USER
                name = uuid.uuid4().hex
                body = {"email": f"{name}@example.org", "name": {"formatted": f"Zoë {name[:8]}"}}
                answer = client.ask("POST", "/users", body=_json(body), headers=_headers())
                path = answer.headers["Location"]
                if not path.startswith("/users/"):
                    # Not known yet what became of it; the log will tell.
                    left = 1
            else:
                client.ask("PATCH", path, body=_json({"display_name": f"Change {number}"}), headers=_headers())
            left -= 1
            on_write(number)
        client.close()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(one_writer, range(writers)))


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
