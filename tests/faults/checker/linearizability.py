"""Is there an order of the operations that explains every answer? The search of Wing and Gong, with Lowe's memory.

An operation takes effect at one moment between its invocation and its return; one whose outcome nobody knows may take
effect at any later time, or never. See G. Lowe, "Testing for linearizability", 2017.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """One operation: `apply` returns the state after it, or None if it cannot have been answered so in that state."""

    invoked: float
    returned: float
    """`math.inf`: it may also never happen."""
    apply: Callable[[S], S | None]

    @property
    def optional(self) -> bool:
        """Say whether it may never happen."""
        return self.returned == math.inf


def linearizable(steps: Sequence[Step[S]], initial: S) -> bool:
    """Say whether an order exists in which every answer is right."""
    ordered = sorted(steps, key=lambda step: step.invoked)
    needed = sum(1 << number for number, step in enumerate(ordered) if not step.optional)
    tried: set[tuple[int, S]] = set()
    stack = [(0, initial)]
    while stack:
        done, state = stack.pop()
        if done & needed == needed:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        stack += [
            (done | 1 << number, after)
            for number, step in _next(ordered, done)
            if (after := step.apply(state)) is not None and not (step.optional and after == state)
        ]
    return False


def _next(ordered: Sequence[Step[S]], done: int) -> list[tuple[int, Step[S]]]:
    """Return the operations that can be the next one: none that is left returned before they were invoked."""
    found: list[tuple[int, Step[S]]] = []
    first_return = math.inf
    first_left = (~done & (done + 1)).bit_length() - 1
    for number in range(first_left, len(ordered)):
        step = ordered[number]
        if done >> number & 1:
            continue
        if step.invoked > first_return:
            break
        found.append((number, step))
        first_return = min(first_return, step.returned)
    return [(number, step) for number, step in found if step.invoked <= first_return]
