"""The checker finds nothing in a good run, and each kind of fault in a bad one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import violations
from tests.faults.driver.history import Fault
from tests.unit.faults.small_run import ANN, BOB, EPOCH, SmallRun, event_id, good_run, location

TAKEN = {"type": "urn:user-directory:problem:value-taken"}
RENAMED = {"display_name": "Renamed"}


def test_a_good_run_is_good() -> None:
    assert good_run().violations() == []


def test_what_nobody_answered_may_have_happened_or_not() -> None:
    run = good_run()
    run.write("change", BOB, "user.updated", RENAMED)
    run.operations[-1].status, run.operations[-1].outcome, run.operations[-1].body = None, "info", "ReadTimeout"
    run.ask("change", BOB, None, fields={"display_name": "Never"})

    assert run.violations() == []


def test_a_key_leads_to_its_first_outcome() -> None:
    run = good_run()
    first = run.write("change", BOB, "user.updated", RENAMED, key="k")
    run.write("change", BOB, "user.updated", {"display_name": "Later"})
    run.ask("change", BOB, 200, first.body, fields=RENAMED, key="k")

    assert run.violations() == []


def test_a_process_on_a_deposed_redis_may_refuse_for_what_was() -> None:
    run = good_run()
    began = run.clock
    run.write("change", BOB, "user.updated", {"display_name": "Later"})
    run.ask("change", BOB, 412, {}, fields=RENAMED, if_match=3)
    assert run.violations() != []

    run.faults.append(Fault("fail redis over", began, run.clock, {"deposed": ["api-1"]}))
    assert run.violations() == []


def lost(run: SmallRun) -> None:
    run.ask("change", BOB, 200, {**run.documents[BOB], "display_name": "Lost", "version": 3}, fields=RENAMED)


def lost_registration(run: SmallRun) -> None:
    run.ask("register", None, 201, {**run.documents[BOB], "id": ANN[:-1] + "9"}, fields={"email": "x@example.org"})


def doubled(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED, key="k")
    run.write("change", BOB, "user.updated", RENAMED, key="k")


def doubled_record(run: SmallRun) -> None:
    run.log.append(replace(run.log[-1], offset=len(run.log)))


def refused_but_happened(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED)
    run.operations[-1].status, run.operations[-1].outcome = 503, "fail"


def made_up(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED)
    run.operations.pop()


def made_up_fields(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED)
    run.operations[-1].arguments["fields"] = {"display_name": "Asked"}


def unexpected(run: SmallRun) -> None:
    run.ask("change", BOB, 500, {}, fields=RENAMED)


def outcome(run: SmallRun, status: str, event: str = event_id(2), version: int = 1) -> None:
    asked = run.operations[0].id
    body = {"status": status, "user_id": ANN, "version": version}
    run.ask("outcome", None, 200, body, of=asked, location=location(event))


def test_a_write_that_was_never_written_may_be_void_later() -> None:
    run = good_run()
    outcome(run, "never_written", event_id(99))
    outcome(run, "void", event_id(99))

    assert run.violations() == []


def false_outcome(run: SmallRun) -> None:
    outcome(run, "void")


def changed_outcome(run: SmallRun) -> None:
    outcome(run, "accepted")
    outcome(run, "never_written")


def outcome_with_a_wrong_version(run: SmallRun) -> None:
    outcome(run, "accepted", version=2)


def outcome_never_known(run: SmallRun) -> None:
    run.ask("change", BOB, 202, fields=RENAMED).headers["location"] = location("an event")


def no_cause(run: SmallRun) -> None:
    run.ask("change", BOB, 409, TAKEN, fields={"email": "c@example.org"})


def own_address_refused(run: SmallRun) -> None:
    run.ask("change", BOB, 409, TAKEN, fields={"email": "a@example.org"})


def wrong_precondition(run: SmallRun) -> None:
    run.ask("change", BOB, 412, {}, fields=RENAMED, if_match=2)


def precondition_ignored(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED, if_match=1)


def denied(run: SmallRun) -> None:
    run.ask("change", BOB, 404, {}, fields=RENAMED)


def out_of_order(run: SmallRun) -> None:
    one = run.write("change", BOB, "user.updated", RENAMED)
    other = run.write("change", BOB, "user.updated", {"display_name": "Other"})
    one.invoked, one.returned, other.invoked, other.returned = other.invoked, other.returned, one.invoked, one.returned


def double_owner(run: SmallRun) -> None:
    run.write("register", ANN[:-1] + "3", "user.registered", {"email": "a@example.org", "display_name": "Cy"})


def two_found(run: SmallRun) -> None:
    run.ask("find", None, 200, {"items": [run.documents[BOB]] * 2}, email="a@example.org")


def token_ignored(run: SmallRun) -> None:
    old = run.documents[BOB]
    change = run.write("change", BOB, "user.updated", RENAMED)
    run.ask("read", BOB, 200, old, seen=[change.id])


def token_of_a_registration_ignored(run: SmallRun) -> None:
    run.ask("read", BOB, 404, {}, seen=[run.operations[1].id])


def token_ignored_by_find(run: SmallRun) -> None:
    run.ask("find", None, 200, {"items": []}, email="a@example.org", seen=[run.operations[4].id])


def never_was(run: SmallRun) -> None:
    run.ask("read", BOB, 200, {**run.documents[BOB], "display_name": "Nobody"})


def before_its_time(run: SmallRun) -> None:
    run.write("change", BOB, "user.updated", RENAMED)
    read = run.ask("read", BOB, 200, run.documents[BOB])
    read.invoked = read.returned = 0.0


def not_deleted(run: SmallRun) -> None:
    run.ask("read", BOB, 410)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lost, "lost: 200"),
        (lost_registration, "lost: 201"),
        (doubled, "doubled: change"),
        (doubled_record, "doubled: 1 events"),
        (refused_but_happened, "refused with 503, but happened"),
        (made_up, "made up: nobody asked"),
        (made_up_fields, "has other display_name"),
        (unexpected, "unexpected status 500"),
        (false_outcome, "outcome void, but the log"),
        (changed_outcome, "outcome changed from accepted to never_written"),
        (outcome_with_a_wrong_version, "outcome names version 2, the log 1"),
        (outcome_never_known, "outcome never known"),
        (no_cause, "no cause: change"),
        (own_address_refused, "no cause: change"),
        (wrong_precondition, "no order of"),
        (precondition_ignored, "no order of"),
        (denied, "no order of"),
        (out_of_order, "no order of"),
        (double_owner, "double owner"),
        (two_found, "double owner: find"),
        (token_ignored, "its token had seen 3"),
        (token_of_a_registration_ignored, "version 0 of"),
        (token_ignored_by_find, "is missing, though its token"),
        (never_was, "which never was"),
        (before_its_time, "before its time"),
        (not_deleted, "was not deleted"),
    ],
)
def test_each_fault_is_found(spoil: Callable[[SmallRun], None], found: str) -> None:
    run = good_run()
    spoil(run)

    assert any(found in violation for violation in run.violations()), run.violations()


@pytest.mark.parametrize("late", [1, 5000])
def test_a_late_event_must_not_be_applied(late: int) -> None:
    run = good_run()
    operation = run.ask("change", BOB, None, fields=RENAMED)
    event = {"subject": BOB, "sequence": 3, "epoch": EPOCH, "correlationid": operation.id, "type": "user.updated"}
    run.append({**event, "dataschema": "user.updated/1", "data": RENAMED}, late=late)
    assert run.violations() == []

    run.documents[BOB] = {**run.documents[BOB], **RENAMED, "version": 3}
    assert any("export" in violation for violation in run.violations())


def test_an_event_of_another_epoch_must_not_be_applied() -> None:
    run = good_run()
    operation = run.ask("change", BOB, None, fields=RENAMED)
    event = {"subject": BOB, "sequence": 3, "epoch": "older", "correlationid": operation.id, "type": "user.updated"}
    run.append({**event, "dataschema": "user.updated/1", "data": RENAMED})
    assert run.violations() == []

    run.documents[BOB] = {**run.documents[BOB], **RENAMED, "version": 3}
    assert any("Redis" in violation for violation in run.violations())


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        ("exported", []),
        ("listed", []),
        ("count", 7),
        ("histories", {ANN: []}),
        ("documents", {ANN: (404, {})}),
        ("owners", {"a@example.org": []}),
        ("in_redis", {}),
    ],
)
def test_each_read_model_is_compared(model: str, instead: Any) -> None:
    run = good_run()
    evidence = run.evidence()
    wrong = replace(evidence, models=replace(evidence.models, **{model: instead}))

    assert violations(run.operations, run.faults, evidence) == []
    assert violations(run.operations, run.faults, wrong) != []
