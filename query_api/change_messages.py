"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as bytes."""

from random import SystemRandom
from typing import Final

from query_api.change_log import LostBecause
from read_models.feed import Change, FeedPosition

MEDIA_TYPE: Final = "text/event-stream"
RESET: Final = "reset"
_RETRY_MS: Final = (500, 2500)
_LOST: Final[dict[LostBecause, str]] = {
    "too-old": "What changed since your last event is no longer kept.",
    "other-log": "Your last event belongs to another log.",
}

_random: Final = SystemRandom()


def message(change: Change, position: FeedPosition) -> bytes:
    """Tell a change; `position` is the reader's place behind it."""
    entry = change.entry
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(position).encode(), entry.type.encode(), entry.event)


def greeting(position: FeedPosition) -> bytes:
    """Tell a client where it begins, and how long to wait before it connects again.

    The wait differs from client to client: when a process stops, not all come to the next one at once.
    """
    return b"retry: %d\nid: %s\n: connected\n\n" % (_random.randint(*_RETRY_MS), str(position).encode())


def heartbeat(position: FeedPosition) -> bytes:
    """Tell that the connection is alive, and the reader's place; no event comes of a message without data."""
    return b"id: %s\n: heartbeat\n\n" % str(position).encode()


def reset(reason: LostBecause, position: FeedPosition) -> bytes:
    """Tell that changes are missing before `position`."""
    data = f'{{"reason":"{reason}","detail":"{_LOST[reason]} Load the users again; changes follow from now on."}}'
    return f"id: {position}\nevent: {RESET}\ndata: {data}\n\n".encode()
