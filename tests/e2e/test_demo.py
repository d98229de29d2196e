"""The demo: what it says of people of every kind, and that its checks can fail."""

from collections.abc import Callable

import httpx
import pytest

from benchmarks import demo
from benchmarks.maintainers import Person
from tests.e2e.people import made_up_people
from tests.stack import Stack


def run(stack: Stack, people: list[Person], on_outcome: Callable[[], None] = lambda: None) -> tuple[bool, str]:
    """Run the demo; return whether it says that all checks hold, and all that it says."""
    said: list[str] = []
    holds = demo.run(people, stack.command_url, stack.query_url, writers=8, say=said.append, on_outcome=on_outcome)
    return holds, "\n".join(said)


def test_everybody_is_accepted_or_told_why_now_and_when_it_is_run_again(stack: Stack) -> None:
    people = [*made_up_people(20), Person("Nobody", ""), Person("", "nameless@example.org"), Person("Two", "a@@b")]
    holds, said = run(stack, people)
    assert holds, said
    assert "18 accepted" in said
    assert "2 refused: another user has the address" in said
    assert "3 refused as invalid" in said
    assert "/name/formatted" in said
    assert "/email" in said
    assert "18 of 18 accepted ones read back equal" in said
    assert not any(text in said for person in people for text in person if text)

    holds, again = run(stack, people)
    assert holds, again
    assert "0 accepted" in again
    assert "20 refused: another user has the address" in again


@pytest.mark.parametrize("harm", ["deleted", "renamed", "moved", "doubled"])
def test_a_harm_done_to_one_of_them_is_noticed(
    stack: Stack, command: httpx.Client, query: httpx.Client, harm: str
) -> None:
    people = made_up_people(30)
    victim, name, *_ = people[5].address, people[5].name
    settled = iter(range(len(people)))

    def do() -> None:
        nth = next(settled)
        if harm == "doubled" and nth == 0:
            # Somebody else is faster, so that the demo is refused an address whose owner it has not made.
            body = {"email": people[-1].address, "name": {"formatted": name}}
            assert command.post("/users", json=body).status_code == 201
        if harm != "doubled" and nth == len(people) - 1:
            (user,) = query.get("/users", params={"email": victim}).json()["items"]
            path = f"/users/{user['id']}"
            if harm == "deleted":
                assert command.delete(path).status_code == 204
            else:
                patch = (
                    {"name": {"formatted": "Else"}} if harm == "renamed" else {"email": made_up_people(1)[0].address}
                )
                assert command.patch(path, json=patch).status_code == 200

    holds, said = run(stack, people, do)
    assert not holds
    assert "WRONG: 1 x" in said
