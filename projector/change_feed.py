"""What a batch adds to the change feed: pure, as the rest of the projection."""

from collections.abc import Iterator, Sequence

from read_models.feed import FeedEntry
from read_models.keys import GenerationKeys
from user_directory_events import UserErased, UserEvent
from user_directory_events.public_topics import public_event

FEED_EVENTS = 10_000
_MOST_PAIRS = 450


def feed_changes(
    accepted: Sequence[tuple[int, UserEvent, bytes]], keys: GenerationKeys, partition: int, feed_events: int
) -> Iterator[tuple[str, Sequence[str | bytes | int]]]:
    """Append accepted events to the partition's stream, and take out of it what an erasure forgets.

    It must come before the histories are changed: an erasure finds the user's entries by the offsets in the history.

    Args:
        accepted: the batch's accepted events with their offsets and their data as JSON, in order.
        keys: the keys of the generation.
        partition: the partition.
        feed_events: how many entries the stream keeps, at least.
    """
    stream = keys.changes(partition)
    erased = {event.subject: offset for offset, event, _ in accepted if isinstance(event, UserErased)}
    for user_id, offset in erased.items():
        yield "forget_feed", (stream, keys.sparse_changes(partition), keys.history(user_id), offset)
    pairs: list[str | bytes | int] = []
    for offset, event, data in accepted:
        if offset >= erased.get(event.subject, offset):
            pairs += [offset, FeedEntry(event.type, event.subject, public_event(event, data=data)).encode()]
    for start in range(0, len(pairs), 2 * _MOST_PAIRS):
        yield "feed", (stream, keys.changes_from(partition), feed_events, *pairs[start : start + 2 * _MOST_PAIRS])
