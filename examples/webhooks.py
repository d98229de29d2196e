"""Tell a web service of each change: `WEBHOOK_SECRET=whsec_... python examples/webhooks.py URL STATE_FOLDER [BROKERS]`.

Each accepted change is posted as a webhook signed by Standard Webhooks (https://www.standardwebhooks.com), those of a
user in order. `webhook-id` is the id of the event: after a crash up to a batch is posted again, so the receiver drops
what it knows. An answer that is no success is tried again, ever more slowly; what is refused for good, or too often,
goes to `dead-letters.ndjson`, which `--replay` posts once more.

Needs: pip install 'user-directory-events[kafka]' httpx standardwebhooks
"""

import argparse
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks import Webhook

from user_directory_events import UserEvent
from user_directory_events.consumer import Changed, Checkpoint, follow

# As the specification advises: other refusals will not be answered otherwise the next time.
_PASSING = {408, 425, 429}
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0


class Stopped(Exception):
    """The process is to end before the message got through."""


class Endpoint:
    """One receiver of webhooks.

    Args:
        url: where to post.
        secret: `whsec_` and base64, shared with the receiver.
        attempts: how often a message is posted before it is given up.
        stopping: ends the pauses between attempts.
    """

    def __init__(self, url: str, secret: str, attempts: int, stopping: threading.Event) -> None:
        self._url, self._signer, self._attempts, self._stopping = url, Webhook(secret), attempts, stopping
        self._client = httpx.Client(timeout=15, follow_redirects=False)

    def deliver(self, message_id: str, body: str) -> str | None:
        """Post a message until it gets through; return why it did not, or None.

        Raises:
            Stopped: it is not known whether it would.
        """
        reason = ""
        for attempt in range(self._attempts):
            wait = 0.0
            try:
                answer = self._client.post(self._url, content=body, headers=self._headers(message_id, body))
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    return None
                reason = f"status {answer.status_code}"
                if answer.is_client_error and answer.status_code not in _PASSING:
                    return reason
                asked = answer.headers.get("retry-after", "")
                wait = float(asked) if asked.isdecimal() else 0.0
            self._pause(attempt, wait)
        return f"{reason} after {self._attempts} attempts"

    def _headers(self, message_id: str, body: str) -> dict[str, str]:
        # Signed anew for each attempt: a receiver refuses old signatures.
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }

    def _pause(self, attempt: int, at_least: float) -> None:
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311
        if self._stopping.wait(min(_LONGEST_PAUSE_SECONDS, max(pause, at_least))):
            raise Stopped


class Folder:
    """What the forwarder keeps: its place in `checkpoint.json`, and the dead letters."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._checkpoint, self._dead = path / "checkpoint.json", path / "dead-letters.ndjson"

    def checkpoint(self) -> Checkpoint | None:
        """Return where to go on."""
        return Checkpoint.from_json(self._checkpoint.read_bytes()) if self._checkpoint.exists() else None

    def store(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint at once, so that a crash leaves the old or the new one."""
        fresh = self._checkpoint.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(checkpoint.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._checkpoint)

    def bury(self, message_id: str, body: str, reason: str) -> None:
        """Keep a message that was given up."""
        letter = {"id": message_id, "reason": reason, "at": time.time(), "body": body}
        with self._dead.open("a") as file:
            file.write(json.dumps(letter) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def exhume(self) -> Iterator[dict[str, Any]]:
        """Return the dead letters; after a replay that was broken off, all of that one again."""
        taken = self._dead.with_name("replaying.ndjson")
        if self._dead.exists() and not taken.exists():
            self._dead.replace(taken)
        if taken.exists():
            yield from map(json.loads, taken.read_text().splitlines())
            taken.unlink()


def message(event: UserEvent) -> str:
    """Return the body of a webhook, as the specification wants it: type, timestamp and data."""
    data = {"user": event.subject, "version": event.sequence, "changes": event.data.model_dump(exclude_unset=True)}
    return json.dumps({"type": event.type, "timestamp": event.time, "data": data}, ensure_ascii=False)


def main() -> None:
    """Forward until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="Tell a web service of each change.")
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("brokers", nargs="?", default="127.0.0.1:9092")
    parser.add_argument("--attempts", type=int, default=8, help="(default: %(default)s, some two minutes)")
    parser.add_argument("--replay", action="store_true", help="post the dead letters once more, and end")
    parser.add_argument("--changes-topic", default="user-changes")
    parser.add_argument("--users-topic", default="users")
    options = parser.parse_args()
    secret = os.environ.get("WEBHOOK_SECRET")
    if not secret:
        parser.error("set WEBHOOK_SECRET to whsec_ and the base64 of 24 to 64 random bytes")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    endpoint, folder = Endpoint(options.url, secret, options.attempts, stopping), Folder(options.folder)
    try:
        if options.replay:
            for letter in folder.exhume():
                if reason := endpoint.deliver(letter["id"], letter["body"]):
                    folder.bury(letter["id"], letter["body"], reason)
        else:
            forward(options, endpoint, folder, stopping)
    except Stopped:
        return


def forward(options: argparse.Namespace, endpoint: Endpoint, folder: Folder, stopping: threading.Event) -> None:
    """Post each change; users who are there already are loaded, and told to nobody."""
    with follow(
        options.brokers,
        checkpoint=folder.checkpoint(),
        changes_topic=options.changes_topic,
        users_topic=options.users_topic,
        # After a crash a whole batch is posted again.
        max_poll_records=50,
    ) as follower:
        while not stopping.is_set():
            batch = follower.poll(0.5)
            for item in batch or ():
                if isinstance(item, Changed):
                    body = message(item.event)
                    if reason := endpoint.deliver(item.event.id, body):
                        folder.bury(item.event.id, body, reason)
            if batch is not None:
                folder.store(batch.checkpoint)


if __name__ == "__main__":
    main()
