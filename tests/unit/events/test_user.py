import json
from typing import Any

import pytest

from tests.sample_events import deleted, erased, registered, reinstated, suspended, updated, user_id
from user_directory_events import CannotEvolve, Gone, Name, User, UserEvent, UserState, evolve

LATER = "2026-11-24T09:00:00.000Z"


def jo(*events: UserEvent) -> User:
    """Return Jo after events."""
    state: UserState = None
    for event in (registered(), *events):
        state = evolve(state, event)
    assert isinstance(state, User)
    return state


def test_a_registration_makes_a_user() -> None:
    assert jo() == User(
        id=user_id(),
        email="jo@example.org",
        name=Name(formatted="Jo Doe"),
        status="active",
        attributes={},
        created_at="2026-11-24T08:30:00.123Z",
        updated_at="2026-11-24T08:30:00.123Z",
        version=1,
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"email": "joe@example.org"}, {"email": "joe@example.org"}),
        ({"name": Name(given="Joe")}, {"name": Name(given="Joe")}),
        ({"name": None, "display_name": "Joe"}, {"name": None, "display_name": "Joe"}),
        ({"external_id": "hr-1"}, {"external_id": "hr-1"}),
        ({"external_id": None}, {"external_id": None}),
        ({"attributes": {"a": None}}, {"attributes": {"a": None}}),
        ({"attributes": None}, {"attributes": {}}),
        ({}, {}),
    ],
)
def test_an_update_changes_what_it_names_and_nothing_else(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    before = jo(updated(fields={"external_id": "hr-0", "attributes": {"team": "north"}}))

    after = evolve(before, updated(3, sequence=3, fields=fields, time=LATER))

    assert after == before.model_copy(update={**expected, "updated_at": LATER, "version": 3})


def test_a_suspension_and_its_end_change_the_status() -> None:
    assert jo(suspended(time=LATER)) == jo().model_copy(
        update={"status": "suspended", "updated_at": LATER, "version": 2}
    )
    assert jo(suspended(), reinstated(time=LATER)) == jo().model_copy(update={"updated_at": LATER, "version": 3})


def test_a_deletion_leaves_the_id_and_the_version() -> None:
    assert evolve(jo(), deleted()) == Gone(id=user_id(), version=2, erased=False)


@pytest.mark.parametrize("before", [None, jo(), Gone(id=user_id(), version=1)])
def test_an_erasure_fits_every_state(before: UserState) -> None:
    assert evolve(before, erased(sequence=9)) == Gone(id=user_id(), version=9, erased=True)


@pytest.mark.parametrize("event", [updated(fields={}), suspended(), reinstated(), deleted()])
@pytest.mark.parametrize("before", [None, Gone(id=user_id(), version=1), Gone(id=user_id(), version=1, erased=True)])
def test_nothing_but_a_registration_fits_where_there_is_no_user(before: UserState, event: UserEvent) -> None:
    with pytest.raises(CannotEvolve, match=event.type):
        evolve(before, event)


@pytest.mark.parametrize("before", [jo(), Gone(id=user_id(), version=1), Gone(id=user_id(), version=1, erased=True)])
def test_an_id_is_registered_once(before: UserState) -> None:
    with pytest.raises(CannotEvolve):
        evolve(before, registered(2, sequence=2))


def test_the_state_before_stays_as_it_was() -> None:
    before = jo()

    evolve(before, updated(fields={"email": "joe@example.org"}))

    assert before == jo()


def test_the_document_leaves_absent_fields_out_but_keeps_the_nulls_of_attributes() -> None:
    user = jo(updated(fields={"attributes": {"none": None, "empty": [], "deep": {"none": None}}}))

    assert json.loads(user.to_json()) == {
        "id": user_id(),
        "email": "jo@example.org",
        "name": {"formatted": "Jo Doe"},
        "status": "active",
        "attributes": {"none": None, "empty": [], "deep": {"none": None}},
        "created_at": "2026-11-24T08:30:00.123Z",
        "updated_at": "2026-11-24T08:30:00.123Z",
        "version": 2,
    }


def test_the_document_of_a_user_without_a_name_has_none() -> None:
    user = jo(updated(fields={"name": None, "display_name": "Joe", "external_id": "hr-1"}))

    document = json.loads(user.to_json())
    assert "name" not in document
    assert (document["display_name"], document["external_id"]) == ("Joe", "hr-1")


def test_the_document_is_utf_8_and_not_escaped() -> None:
    assert "Ζωή 🌍".encode() in jo(updated(fields={"display_name": "Ζωή 🌍"})).to_json()


def test_a_user_reads_back_from_the_document() -> None:
    user = jo(updated(fields={"name": Name(given="Jo", family="Doe"), "attributes": {"big": 10**30, "none": None}}))

    assert User.model_validate_json(user.to_json()) == user
