"""Computations that take turns: while one waits for Redis, another computes."""

from collections import deque
from collections.abc import Generator, Iterable

Turns = Generator[None, None, None]


def take_turns(computations: Iterable[Turns]) -> None:
    """Run all to their ends, each in its turn as far as to where it would wait: there it yields.

    What one of them raises ends them all.
    """
    waiting = deque(computations)
    try:
        while waiting:
            computation = waiting[0]
            for _ in computation:
                waiting.rotate(-1)
                break
            else:
                waiting.popleft()
    finally:
        for computation in waiting:
            computation.close()
