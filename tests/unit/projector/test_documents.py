"""A user in quarantine: parked by a release that cannot apply an event, and let out by one that can."""

from collections.abc import Callable

import pytest

from projector import documents
from read_models.quarantine import Parked
from read_models.records import UserRecord
from tests.memory_read_models import MemoryReadModels
from tests.sample_events import (
    NOW,
    discard,
    epoch_opened,
    erased,
    event_id,
    registered,
    replay,
    suspended,
    updated,
    user_id,
)
from tests.small_projector import SmallProjector
from user_directory_events import LogRecord, User, UserEvent, UserState, Verdict, evolve

Release = Callable[[], None]
"""Deploys a release of the projector."""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Return what deploys a release that cannot apply a change to the name `Poison`."""

    def evolve_brokenly(state: UserState, event: UserEvent) -> UserState:
        if getattr(event.data, "display_name", None) == "Poison":
            raise KeyError("jo@example.org")
        return evolve(state, event)

    return lambda: monkeypatch.setattr(documents, "evolve", evolve_brokenly)


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Return what deploys the release that can."""
    return lambda: monkeypatch.setattr(documents, "evolve", evolve)


LOG: list[LogRecord] = [
    epoch_opened(),
    registered(1),
    updated(2, sequence=2, fields={"display_name": "Poison"}),
    updated(3, sequence=3, fields={"email": "joe@example.org"}),
    suspended(4, sequence=4),
]


def project(*records: LogRecord, models: MemoryReadModels | None = None) -> tuple[SmallProjector, MemoryReadModels]:
    models = models or MemoryReadModels()
    projector = SmallProjector(models)
    append(projector, *records)
    return projector, models


def append(projector: SmallProjector, *records: LogRecord) -> None:
    for record in records:
        projector.append(record, NOW)
    projector.project()


def record_of(models: MemoryReadModels, user: int = 1) -> UserRecord:
    key = models.keys.generation(1).user(user_id(user))
    return UserRecord.decode(models.snapshot()["strings"][key])


def document_of(models: MemoryReadModels, user: int = 1) -> User:
    state = record_of(models, user).state(user_id(user))
    assert isinstance(state, User)
    return state


def parked(models: MemoryReadModels) -> list[Parked]:
    hashes = models.snapshot()["hashes"].get(models.keys.generation(1).quarantine, {})
    return [Parked.decode(value) for value in hashes.values()]


def test_an_event_that_breaks_the_calculation_parks_its_user_and_no_other(broken: Release) -> None:
    broken()
    projector, models = project(*LOG, registered(5, user=2, email="other@example.org"))

    assert [j.verdict for j in projector.judgements] == [Verdict.ACCEPTED] * 5
    assert [(j.parks, j.fault is not None) for j in projector.judgements] == [
        (False, False),
        (True, True),
        (False, True),
        (False, True),
        (False, False),
    ]
    assert (record_of(models).version, record_of(models).waits) == (4, True)
    assert (document_of(models).version, document_of(models).status) == (1, "active")
    assert document_of(models, 2).version == 1


def test_the_reason_tells_where_it_broke_and_no_personal_data(broken: Release) -> None:
    broken()
    _, models = project(*LOG)

    (found,) = parked(models)
    assert (found.user_id, found.since, found.sequence) == (user_id(), NOW, 2)
    assert found.reason.startswith("user.updated: KeyError in test_documents.py, line ")
    assert "example" not in found.reason


def test_a_replay_by_the_fixed_release_leads_to_what_it_would_have_made_at_once(
    broken: Release, fixed: Release
) -> None:
    broken()
    projector, models = project(*LOG)
    fixed()

    append(projector, replay())

    _, expected = project(*LOG, replay())
    assert models.snapshot() == expected.snapshot()
    assert (document_of(models).version, document_of(models).display_name) == (4, "Poison")
    assert parked(models) == []


def test_a_replay_by_the_release_that_is_still_broken_changes_nothing(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)
    before = models.snapshot()

    append(projector, replay(), replay(user=7))

    assert models.snapshot() | {"progress": None} == before | {"progress": None}


def test_events_wait_in_order_also_those_that_would_fit(broken: Release, fixed: Release) -> None:
    broken()
    projector, models = project(*LOG)
    append(projector, updated(5, sequence=5, fields={"display_name": "Joe"}))
    fixed()
    append(projector, updated(6, sequence=6, fields={"display_name": "Jane"}))
    assert document_of(models).version == 1

    append(projector, replay())

    assert (document_of(models).version, document_of(models).display_name) == (6, "Jane")


def test_a_discarded_event_changes_nothing_but_the_version_and_those_behind_it_are_applied(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)

    append(projector, discard(event_id(2)))

    user = document_of(models)
    assert (user.version, user.display_name, user.email, user.status) == (4, None, "joe@example.org", "suspended")
    assert not record_of(models).waits
    assert parked(models) == []


def test_all_that_wait_can_be_discarded_and_the_user_lives_on(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)

    append(projector, discard(event_id(2), event_id(3), event_id(4)))
    assert (document_of(models).version, document_of(models).email) == (4, "jo@example.org")

    append(projector, updated(5, sequence=5, fields={"email": "new@example.org"}))
    assert (document_of(models).version, document_of(models).email) == (5, "new@example.org")


def test_a_discard_is_honoured_by_a_release_that_could_have_applied_the_event(broken: Release, fixed: Release) -> None:
    broken()
    records = [*LOG, discard(event_id(2)), updated(5, sequence=5, fields={"display_name": "Joe"})]
    _, models = project(*records)
    fixed()

    _, rebuilt = project(*records)

    assert rebuilt.snapshot() == models.snapshot()


def test_two_operators_who_discard_the_same_discard_it_once(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)
    append(projector, discard(event_id(2)))
    before = models.snapshot()

    append(projector, discard(event_id(2), number=910))

    assert models.snapshot() | {"progress": None} == before | {"progress": None}


def test_an_unknown_event_or_user_is_not_discarded(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)
    before = models.snapshot()

    append(projector, discard(event_id(77)), discard(event_id(2), user=2))

    assert models.snapshot() | {"progress": None} == before | {"progress": None}


def test_an_erasure_ends_a_quarantine_and_leaves_nothing(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)

    append(projector, erased(5, sequence=5), discard(event_id(5)), replay())

    assert (record_of(models).presence, record_of(models).waits) == ("erased", False)
    snapshot = models.snapshot()
    assert list(snapshot["hashes"]) == [models.keys.generation(1).doomed(0)], "only what is to be taken out of the log"
    assert snapshot["indexes"] == {}


def test_what_waits_keeps_its_addresses_and_gives_none_up(broken: Release) -> None:
    broken()
    projector, models = project(*LOG)
    keys = models.keys.generation(1)

    def values(index: str) -> list[bytes]:
        return [member.split(b"\0")[0] for member in models.snapshot()["indexes"].get(index, ())]

    assert values(keys.claims("email")) == [b"jo@example.org"]
    assert values(keys.waiting_claims("email")) == [b"joe@example.org"]

    append(projector, discard(event_id(2)))

    assert values(keys.claims("email")) == [b"joe@example.org"]
    assert values(keys.waiting_claims("email")) == []


def test_a_decision_in_another_partition_than_the_users_changes_nothing(broken: Release) -> None:
    broken()
    models = MemoryReadModels()
    projector = SmallProjector(models, partitions=2)
    for record in LOG:
        projector.append(record, NOW)
    projector.project_all()

    projector.append(discard(event_id(2)), NOW, partition=1)
    projector.project_all()

    assert record_of(models).waits
