"""One user as a sequential thing: what each request must be answered in each state. Written from the API's document."""

import math
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.checker.linearizability import Step
from tests.faults.driver.history import Operation


class State(NamedTuple):
    """A user: `presence` is `none` (never was), `there` or `gone`."""

    presence: str = "none"
    version: int = 0
    email: str = ""
    display_name: str = ""
    status: str = ""
    motto: str | None = None
    """A made-up field, which only the next release of `tests/faults/rolling` takes."""


NOBODY = State()


def step(operation: Operation, *, invoked: float | None = None, returned: float | None = None) -> Step[State]:
    """Return an operation as a step of the search.

    Args:
        operation: a write.
        invoked: since when its answer may have been decided, if that is not the moment of the request.
        returned: when it has happened, if that is not the moment of the answer; None of one that nobody knows of.
    """
    until = operation.returned if returned is None else returned
    if operation.outcome == "info" and returned is None:
        until = math.inf
    return Step(operation.invoked if invoked is None else invoked, until, _rule(operation))


def _rule(operation: Operation) -> Callable[[State], State | None]:
    if operation.outcome != "fail":
        return lambda state: _change(operation, state)
    return lambda state: state if _refused_rightly(operation, state) else None


def _refused_rightly(operation: Operation, state: State) -> bool:
    if_match = operation.arguments["if_match"]
    matches = if_match is None or if_match == state.version
    if operation.action == "register_as":
        kind = operation.body["type"].rpartition(":")[2]
        wanted = {"version-mismatch": "there", "id-taken": "gone", "value-taken": "none"}[kind]
        return state.presence == wanted
    match operation.status:
        case 404:
            return state.presence == "none"
        case 410:
            return state.presence == "gone"
        case 412:
            return state.presence == "there" and not matches
        case 409:
            return state.presence == "there" and matches
    return False


def _change(operation: Operation, state: State) -> State | None:
    """Return the state after a request that was granted, if it could be and the answer is right."""
    fields = operation.arguments["fields"] or {}
    if operation.action in ("register", "register_as"):
        if state.presence != "none":
            return None
        after = State("there", 1, fields["email"], fields["display_name"], "active")
    else:
        if_match = operation.arguments["if_match"]
        if state.presence != "there" or if_match not in (None, state.version):
            return None
        after = _changed(operation.action, fields, state)
    document = operation.body if operation.outcome == "ok" else None
    if document is not None:
        shown = State("there", *(document[name] for name in ("version", "email", "display_name", "status")))
        shown = shown._replace(motto=document.get("motto"))
        return after if shown == after else None
    return after


def _changed(action: str, fields: dict[str, str], state: State) -> State:
    if action == "delete":
        return State("gone", state.version + 1)
    wanted = {"suspend": {"status": "suspended"}, "reinstate": {"status": "active"}}.get(action, fields)
    after = state._replace(**wanted)  # type: ignore[arg-type] # of the fields only texts can be asked for
    return after if after == state else after._replace(version=state.version + 1)
