"""Computations that take turns."""

import pytest

from projector.turns import Turns, take_turns


def test_each_goes_on_where_it_waited_until_all_have_ended() -> None:
    steps: list[str] = []

    def computation(name: str, turns: int) -> Turns:
        for turn in range(turns):
            steps.append(f"{name}{turn}")
            yield
        steps.append(f"{name} ends")

    take_turns([computation("a", 2), computation("b", 0), computation("c", 1)])

    assert steps == ["a0", "b ends", "c0", "a1", "c ends", "a ends"]


def test_what_one_raises_ends_them_all() -> None:
    ended: list[str] = []

    def waits() -> Turns:
        try:
            while True:
                yield
        finally:
            ended.append("waits")

    def fails() -> Turns:
        yield
        raise LookupError

    with pytest.raises(LookupError):
        take_turns([waits(), fails()])

    assert ended == ["waits"]
