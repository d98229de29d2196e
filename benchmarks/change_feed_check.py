"""Followers of the change feed who are cut off at random, while users are written and Redis is wiped.

Afterwards each of them must have seen every accepted change of the log exactly once, in order for each user.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.change_follower import Follower, Seen
from benchmarks.change_writing import write
from benchmarks.patient_client import Trouble

_LAST_CHANGES_SECONDS: Final = 120.0
_FIRST_CONNECTION_SECONDS: Final = 30.0

Accepted = Mapping[str, Sequence[str]]
"""The ids of each user's accepted events, in order, by user id."""


@dataclass(frozen=True)
class Findings:
    """How one follower's changes differ from the log's."""

    missing: int
    doubled: int
    unknown: int
    out_of_order: int
    resets: int
    connections: int

    @property
    def hold(self) -> bool:
        """Say whether they do not differ."""
        return not (self.missing or self.doubled or self.unknown or self.out_of_order or self.resets)


def run(
    command_url: str,
    query_urls: Sequence[str],
    accepted: Callable[[], Accepted],
    wipe: Callable[[], None],
    *,
    writes: int,
    cuts: int,
    followers: int = 2,
    writers: int = 32,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> list[Findings]:
    """Write, cut each follower off so many times, wipe Redis half-way, and compare.

    Args:
        command_url: the command API.
        query_urls: query APIs of the same directory.
        accepted: reads the log; it is empty at first.
        wipe: wipes Redis.
        writes: how many writes.
        cuts: how often each follower is cut off.
        followers: how many there are.
        writers: how many write at once.
        seed: of the moments of the cuts.
        say: is told how it goes.
    """
    moments = random.Random(seed)
    following = [Follower(query_urls, seed + number) for number in range(followers)]
    if not all(follower.begun.wait(_FIRST_CONNECTION_SECONDS) for follower in following):
        raise TimeoutError("the followers have no connection")
    due: dict[int, list[Callable[[], None]]] = defaultdict(list)
    for follower in following:
        for number in moments.sample(range(1, writes + 1), cuts):
            due[number].append(follower.cut)
    wiping = threading.Thread(target=wipe)
    due[writes // 2].append(wiping.start)

    def on_write(number: int) -> None:
        for act in due.get(number, ()):
            act()

    trouble = Trouble()
    write(command_url, writes=writes, writers=writers, trouble=trouble, on_write=on_write)
    wiping.join()
    expected = accepted()
    total = sum(map(len, expected.values()))
    say(f"{writes:,} writes made {total:,} accepted changes; tried again: {dict(trouble.counts) or 'nothing'}")
    found = []
    for number, follower in enumerate(following, 1):
        follower.wait_for(total, _LAST_CHANGES_SECONDS)
        follower.stop()
        findings = compare(follower.seen, expected, follower.resets, follower.connections)
        say(f"follower {number}: {len(follower.seen):,} changes over {findings.connections} connections, {findings}")
        found.append(findings)
    return found


def compare(seen: Sequence[Seen], expected: Accepted, resets: int = 0, connections: int = 0) -> Findings:
    """Hold what a follower saw against the log."""
    times = Counter(change.event_id for change in seen)
    known = {event_id for events in expected.values() for event_id in events}
    of_users: dict[str, list[str]] = defaultdict(list)
    for change in seen:
        of_users[change.user_id].append(change.event_id)
    return Findings(
        missing=len(known - times.keys()),
        doubled=sum(count - 1 for count in times.values()),
        unknown=len(times.keys() - known),
        out_of_order=sum(events != list(expected.get(user_id, ())) for user_id, events in of_users.items()),
        resets=resets,
        connections=connections,
    )
