"""Every version of every event that was ever published, read by today's code; see tests/golden/README.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from user_directory_events import (
    EpochOpened,
    EventsDiscarded,
    Gone,
    LogIdentity,
    ReplayRequested,
    Tick,
    User,
    UserEvent,
    UserState,
    decode,
    encode,
    evolve,
)
from user_directory_events.upcasters import CURRENT_VERSIONS, UPCASTERS

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(path.stem for path in (GOLDEN / "events").iterdir())
OF_USERS = [name for name in NAMES if name.startswith("user.")]


def wire(name: str) -> bytes:
    return (GOLDEN / "events" / f"{name}.json").read_bytes().removesuffix(b"\n")


def schema_of(name: str) -> str:
    schema: str = json.loads(wire(name))["dataschema"]
    return schema


def state(recorded: Any) -> UserState:
    if recorded is None:
        return None
    if "gone" in recorded:
        return Gone(**recorded["gone"])
    return User.model_validate_json(json.dumps(recorded["user"]))


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_file_is_named_after_its_schema(name: str) -> None:
    assert f"{name}.".startswith(schema_of(name).replace("/", ".") + ".")


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_event_is_lifted_to_the_current_version(name: str) -> None:
    event = decode(wire(name))

    assert event.type == json.loads(wire(name))["type"]
    assert event.dataschema == f"{event.type}/{CURRENT_VERSIONS[event.type]}"


@pytest.mark.parametrize("name", OF_USERS)
def test_a_golden_event_moves_the_state_as_it_always_did(name: str) -> None:
    recorded = json.loads((GOLDEN / "states" / f"{name}.json").read_bytes())
    event = decode(wire(name))
    assert isinstance(event, UserEvent)

    after = evolve(state(recorded["before"]), event)

    assert after == state(recorded["after"])
    if isinstance(after, User):
        assert json.loads(after.to_json()) == recorded["after"]["user"]


@pytest.mark.parametrize("name", [name for name in NAMES if schema_of(name) not in UPCASTERS])
def test_events_of_current_versions_are_still_written_so(name: str) -> None:
    assert json.loads(encode(decode(wire(name)))[1]) == json.loads(wire(name))


def test_golden_control_records_say_what_they_always_said() -> None:
    identity, epoch, tick = (decode(wire(name)) for name in ("log.identity.1", "log.epoch.1", "log.tick.1"))

    assert isinstance(identity, LogIdentity)
    assert (identity.data.log_id, identity.data.partitions) == ("01936e09-11aa-7b22-8c33-1d44e55f6677", 12)
    assert isinstance(epoch, EpochOpened)
    assert epoch.data.epoch == "01936e09-22aa-7b22-8c33-1d44e55f6677"
    assert isinstance(tick, Tick)


def test_golden_decisions_of_operators_say_what_they_always_said() -> None:
    discard, replay = decode(wire("log.discard.1")), decode(wire("log.replay.1"))

    assert isinstance(discard, EventsDiscarded)
    assert discard.data.user_id == "0192d3a0-0000-7000-8000-000000000001"
    assert discard.data.event_ids == ["0192d3a0-1111-7000-8000-000000000002"]
    assert isinstance(replay, ReplayRequested)
    assert replay.data.user_id == "0192d3a0-0000-7000-8000-000000000001"


@pytest.mark.parametrize("event_type", CURRENT_VERSIONS)
def test_every_version_up_to_the_current_one_has_a_golden_event_and_all_but_the_last_an_upcaster(
    event_type: str,
) -> None:
    versions = [f"{event_type}/{version}" for version in range(1, CURRENT_VERSIONS[event_type] + 1)]

    assert {schema for schema in map(schema_of, NAMES) if schema.startswith(f"{event_type}/")} == set(versions)
    assert [schema for schema in versions if schema in UPCASTERS] == versions[:-1]


def test_every_event_that_the_codec_reads_has_a_current_version() -> None:
    classes = (*UserEvent.__args__, LogIdentity, EpochOpened, Tick, EventsDiscarded, ReplayRequested)

    schemas = {cls.model_fields["type"].default: cls.model_fields["dataschema"].default for cls in classes}

    assert schemas == {event_type: f"{event_type}/{version}" for event_type, version in CURRENT_VERSIONS.items()}


def test_every_golden_event_of_a_user_has_its_state() -> None:
    assert sorted(path.stem for path in (GOLDEN / "states").iterdir()) == OF_USERS
