"""Did every address have one owner at any time?"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.faults.checker.naive_log import tenures
from tests.faults.checker.story import Story


def check(story: Story) -> Iterator[str]:
    """Name every address that two users had at once, by the brokers' clock or as a reader saw it."""
    held: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for tenure in tenures(story.told):
        until = tenure.until.timestamp if tenure.until else math.inf
        held[tenure.address].append((tenure.since.timestamp, until, tenure.user))
    for address, times in held.items():
        for (_, until, one), (since, _, other) in pairwise(sorted(times)):
            if since < until and one != other:
                yield f"double owner: {one} and {other} both had {address}"
    for operation in story.operations:
        if operation.action == "find" and operation.status == 200 and len(operation.body["items"]) > 1:
            yield f"double owner: find {operation.id} showed several users with {operation.arguments['email']}"
