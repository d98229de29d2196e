from typing import Any

import pytest

from command_api.commands import (
    Command,
    DeleteUser,
    RegisterUser,
    ReinstateUser,
    ReplaceUser,
    SuspendUser,
    UpdateUser,
)
from command_api.decide import (
    MOST_ATTRIBUTE_BYTES,
    FieldRefused,
    IdTaken,
    Refused,
    UserGone,
    UserNotFound,
    VersionMismatch,
    decide,
)
from tests.sample_events import registered, suspended, updated, user_id
from user_directory_events import (
    Gone,
    Name,
    User,
    UserDeleted,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserState,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
    evolve,
)

ID = user_id()
FIELDS = UserRegisteredData(email="joe@example.org", display_name="Joe")
ACTIVE = evolve(None, registered(fields={"external_id": "hr-1", "attributes": {"team": "north"}}))
SUSPENDED = evolve(ACTIVE, suspended())
assert isinstance(ACTIVE, User)
assert isinstance(SUSPENDED, User)
DELETED, ERASED = Gone(id=ID, version=2), Gone(id=ID, version=2, erased=True)

REGISTER, REPLACE, UPDATE = RegisterUser(ID, FIELDS), ReplaceUser(ID, FIELDS), UpdateUser(ID, {"display_name": "Joe"})
SUSPEND, REINSTATE, DELETE = SuspendUser(ID), ReinstateUser(ID), DeleteUser(ID)


@pytest.mark.parametrize(
    ("command", "unknown", "active", "suspended", "gone"),
    [
        (RegisterUser(None, FIELDS), UserRegistered, VersionMismatch, VersionMismatch, IdTaken),
        (REGISTER, UserRegistered, VersionMismatch, VersionMismatch, IdTaken),
        (REPLACE, UserNotFound, UserUpdated, UserUpdated, UserGone),
        (UPDATE, UserNotFound, UserUpdated, UserUpdated, UserGone),
        (SUSPEND, UserNotFound, UserSuspended, None, UserGone),
        (REINSTATE, UserNotFound, None, UserReinstated, UserGone),
        (DELETE, UserNotFound, UserDeleted, UserDeleted, UserGone),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "user_id") else "",
)
def test_every_command_in_every_state(command: Command, unknown: Any, active: Any, suspended: Any, gone: Any) -> None:
    outcomes: list[tuple[UserState, Any]] = [
        (None, unknown),
        (ACTIVE, active),
        (SUSPENDED, suspended),
        (DELETED, gone),
        (ERASED, gone),
    ]
    for state, expected in outcomes:
        if expected is None:
            assert decide(state, command) is None
        elif issubclass(expected, Refused):
            with pytest.raises(expected):
                decide(state, command)
        else:
            decision = decide(state, command)
            assert decision is not None
            assert decision.event is expected


def test_a_registration_carries_the_fields_as_they_are() -> None:
    decision = decide(None, REGISTER)

    assert decision is not None
    assert decision.data is FIELDS


@pytest.mark.parametrize("command", [ReplaceUser, UpdateUser, SuspendUser, ReinstateUser, DeleteUser])
@pytest.mark.parametrize(
    ("if_match", "holds"),
    [
        (None, True),
        ("*", True),
        (frozenset({1}), True),
        (frozenset({1, 7}), True),
        (frozenset({2}), False),
        (frozenset(), False),
    ],
)
def test_the_precondition_is_checked_by_every_change(command: Any, if_match: Any, holds: bool) -> None:
    argument = {ReplaceUser: (FIELDS,), UpdateUser: ({"display_name": "Joe"},)}.get(command, ())
    made = command(ID, *argument, if_match=if_match)

    if holds:
        decide(ACTIVE, made)
    else:
        with pytest.raises(VersionMismatch) as caught:
            decide(ACTIVE, made)
        assert caught.value.version == 1


def test_who_is_not_there_matches_no_version() -> None:
    with pytest.raises(UserNotFound):
        decide(None, SuspendUser(ID, frozenset({0})))
    with pytest.raises(UserGone):
        decide(DELETED, SuspendUser(ID, "*"))


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        ({"email": "joe@example.org"}, {"email": "joe@example.org"}),
        # The same address otherwise spelled is a change: the directory keeps it as given.
        ({"email": "JO@example.org"}, {"email": "JO@example.org"}),
        ({"display_name": "Joe"}, {"display_name": "Joe"}),
        ({"external_id": None}, {"external_id": None}),
        ({"name": {"given": "Jo"}}, {"name": Name(given="Jo", formatted="Jo Doe")}),
        ({"name": {"given": "Jo", "formatted": None}}, {"name": Name(given="Jo")}),
        ({"name": None, "display_name": "Joe"}, {"name": None, "display_name": "Joe"}),
        ({"name": {"formatted": None}, "display_name": "Joe"}, {"name": None, "display_name": "Joe"}),
        ({"attributes": {"room": 7}}, {"attributes": {"team": "north", "room": 7}}),
        ({"attributes": {"team": None}}, {"attributes": {}}),
        ({"attributes": None}, {"attributes": {}}),
        ({"attributes": {"a": {"b": None, "c": []}}}, {"attributes": {"team": "north", "a": {"c": []}}}),
        ({"email": "jo@example.org", "external_id": "hr-2"}, {"external_id": "hr-2"}),
    ],
    ids=repr,
)
def test_an_update_carries_only_what_changes(patch: dict[str, Any], changes: dict[str, Any]) -> None:
    decision = decide(ACTIVE, UpdateUser(ID, patch))

    assert decision is not None
    assert isinstance(decision.data, UserUpdatedData)
    assert decision.data.changes() == changes


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"email": "jo@example.org"},
        {"display_name": None},
        {"name": {}},
        {"name": {"formatted": "Jo Doe"}},
        {"name": {"given": None}},
        {"attributes": {}},
        {"attributes": {"team": "north", "absent": None}},
        {"external_id": "hr-1"},
    ],
    ids=repr,
)
def test_an_update_that_changes_nothing_makes_no_event(patch: dict[str, Any]) -> None:
    assert decide(ACTIVE, UpdateUser(ID, patch)) is None


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (True, 1), (0, False), ([0], [False]), ({"a": 1}, {"a": True})]
)
def test_true_and_1_are_different_values(before: Any, after: Any) -> None:
    state = evolve(ACTIVE, updated(fields={"attributes": {"value": before}}))

    decision = decide(state, UpdateUser(ID, {"attributes": {"value": after}}))

    assert decision is not None
    assert isinstance(decision.data, UserUpdatedData)
    assert repr(decision.data.changes()) == repr({"attributes": {"value": after}})


def test_the_order_of_attributes_is_no_difference() -> None:
    state = evolve(ACTIVE, updated(fields={"attributes": {"a": 1, "b": {"c": 2, "d": 3}}}))

    fields = UserRegisteredData(
        email="jo@example.org",
        name=Name(formatted="Jo Doe"),
        external_id="hr-1",
        attributes={"b": {"d": 3, "c": 2}, "a": 1},
    )
    assert decide(state, ReplaceUser(ID, fields)) is None


def test_a_replacement_removes_what_it_does_not_name() -> None:
    decision = decide(ACTIVE, REPLACE)

    assert decision is not None
    assert isinstance(decision.data, UserUpdatedData)
    assert decision.data.changes() == {
        "email": "joe@example.org",
        "name": None,
        "display_name": "Joe",
        "external_id": None,
        "attributes": {},
    }


def test_a_replacement_by_the_same_makes_no_event() -> None:
    fields = UserRegisteredData(
        email="jo@example.org", name=Name(formatted="Jo Doe"), external_id="hr-1", attributes={"team": "north"}
    )

    assert decide(ACTIVE, ReplaceUser(ID, fields)) is None


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (None, RegisterUser(ID, UserRegisteredData(email="joe@example.org"))),
        (ACTIVE, ReplaceUser(ID, UserRegisteredData(email="joe@example.org"))),
        (ACTIVE, UpdateUser(ID, {"name": None})),
        (ACTIVE, UpdateUser(ID, {"name": {"formatted": None}})),
    ],
)
def test_a_user_without_any_name_is_refused(state: UserState, command: Command) -> None:
    with pytest.raises(FieldRefused) as caught:
        decide(state, command)

    assert caught.value.pointer == "/name"


def attributes_of(size: int) -> dict[str, Any]:
    """Return attributes that take so many bytes as JSON."""
    return {"a": "é" * ((size - 8) // 2) + "x" * (size % 2)}


@pytest.mark.parametrize("size", [MOST_ATTRIBUTE_BYTES, MOST_ATTRIBUTE_BYTES - 1])
def test_attributes_may_take_16_kib(size: int) -> None:
    fields = UserRegisteredData(email="joe@example.org", display_name="Joe", attributes=attributes_of(size))

    assert decide(None, RegisterUser(ID, fields)) is not None
    assert decide(ACTIVE, ReplaceUser(ID, fields)) is not None


def test_larger_attributes_are_refused_also_when_they_grow_bit_by_bit() -> None:
    large = attributes_of(MOST_ATTRIBUTE_BYTES - 20)
    state = evolve(ACTIVE, updated(fields={"attributes": large}))
    fields = UserRegisteredData(
        email="joe@example.org", display_name="Joe", attributes=attributes_of(MOST_ATTRIBUTE_BYTES + 1)
    )
    refused: list[tuple[UserState, Command]] = [
        (None, RegisterUser(ID, fields)),
        (ACTIVE, ReplaceUser(ID, fields)),
        (state, UpdateUser(ID, {"attributes": {"more": "x" * 20}})),
    ]

    for before, command in refused:
        with pytest.raises(FieldRefused) as caught:
            decide(before, command)
        assert caught.value.pointer == "/attributes"
