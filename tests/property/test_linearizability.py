"""The search for an order against the plainest one: trying every order of every choice of operations."""

import math
from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker.linearizability import Step, linearizable

Register = tuple[str, int]
"""A value and how often it was written."""


def write(value: str, invoked: float, returned: float) -> Step[Register]:
    return Step(invoked, returned, lambda state: (value, state[1] + 1))


def read(value: str, count: int, invoked: float, returned: float) -> Step[Register]:
    return Step(invoked, returned, lambda state: state if state == (value, count) else None)


@st.composite
def histories(draw: st.DrawFn) -> list[Step[Register]]:
    steps = []
    for _ in range(draw(st.integers(0, 5))):
        invoked = draw(st.integers(0, 9))
        returned = invoked + draw(st.integers(1, 6))
        value = draw(st.sampled_from("ab"))
        if draw(st.booleans()):
            steps.append(write(value, invoked, draw(st.sampled_from([returned, math.inf]))))
        else:
            steps.append(read(value, draw(st.integers(0, 3)), invoked, returned))
    return steps


def by_trying_all(steps: list[Step[Register]], initial: Register) -> bool:
    optional = [step for step in steps if step.optional]
    needed = [step for step in steps if not step.optional]
    chosen = (needed + list(some) for size in range(len(optional) + 1) for some in combinations(optional, size))
    return any(_explains(order, initial) for some in chosen for order in permutations(some))


def _explains(order: tuple[Step[Register], ...], initial: Register) -> bool:
    if any(later.returned < earlier.invoked for at, earlier in enumerate(order) for later in order[at + 1 :]):
        return False
    state: Register | None = initial
    for step in order:
        state = step.apply(state) if state is not None else None
    return state is not None


@given(histories())
def test_the_search_finds_an_order_where_there_is_one(steps: list[Step[Register]]) -> None:
    assert linearizable(steps, ("", 0)) == by_trying_all(steps, ("", 0))
