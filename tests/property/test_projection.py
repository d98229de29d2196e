"""However the log is cut into batches, and whatever is done twice, the read models say what the log says."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from read_models.feed import FeedEntry
from read_models.ids import RAW_BYTES, raw_id
from read_models.keys import GenerationKeys
from read_models.listing import CLAIM_TAIL_BYTES, Listing
from read_models.quarantine import Parked
from read_models.records import HistoryEntry, UserRecord
from tests.memory_read_models import MemoryReadModels
from tests.property.logs import Step, log_of, logs
from tests.small_projector import SmallProjector
from user_directory_events import (
    CannotEvolve,
    EventsDiscarded,
    LogRecord,
    PartitionFold,
    UniqueField,
    User,
    UserErased,
    UserEvent,
    UserRegistered,
    UserState,
    UserUpdated,
    Verdict,
    comparable,
    evolve,
)

_UNIQUE: tuple[UniqueField, ...] = ("email", "external_id")


def record_by_record(entries: Sequence[tuple[LogRecord, int]]) -> tuple[SmallProjector, MemoryReadModels]:
    projector, models = projector_of(entries)
    for offset in range(len(entries)):
        projector.project(up_to=offset + 1)
    return projector, models


def cuts(length: int, data: st.DataObject) -> list[int]:
    return [*sorted(data.draw(st.sets(st.integers(0, length)))), length]


def verdicts(projector: SmallProjector) -> list[tuple[str, Verdict | None]]:
    return [(judgement.event.id, judgement.verdict) for judgement in projector.judgements]


def projector_of(entries: Sequence[tuple[LogRecord, int]]) -> tuple[SmallProjector, MemoryReadModels]:
    models = MemoryReadModels()
    projector = SmallProjector(models)
    for record, timestamp in entries:
        projector.append(record, timestamp)
    return projector, models


@given(logs, st.data())
def test_however_the_log_is_cut_the_outcome_is_that_of_record_by_record(
    written: list[Step], data: st.DataObject
) -> None:
    entries, _ = log_of(written)
    one_by_one, expected = record_by_record(entries)

    in_batches, models = projector_of(entries)
    for cut in cuts(len(entries), data):
        in_batches.project(up_to=cut)

    assert models.snapshot() == expected.snapshot()
    assert verdicts(in_batches) == verdicts(one_by_one)


@given(logs, st.data())
def test_a_batch_that_was_written_in_part_can_be_done_again(written: list[Step], data: st.DataObject) -> None:
    """Redis keeps the writes of a script that fails half-way; the checkpoint is written last."""
    entries, _ = log_of(written)
    _, expected = record_by_record(entries)

    in_batches, models = projector_of(entries)
    for cut in cuts(len(entries), data):
        batch, _ = in_batches.batch(up_to=cut)
        models.change(replace(batch, changes=batch.changes[: data.draw(st.integers(0, len(batch.changes)))]))
        in_batches.project(up_to=cut)
        models.change(batch)

    assert models.snapshot() == expected.snapshot()


@given(logs)
def test_the_verdicts_are_those_of_the_public_fold(written: list[Step]) -> None:
    entries, _ = log_of(written)
    projector, _ = projector_of(entries)
    projector.project()

    fold = PartitionFold()
    expected = [(record, fold.apply(record, timestamp)) for record, timestamp in entries]
    assert verdicts(projector) == [(r.id, verdict) for r, verdict in expected if isinstance(r, UserEvent)]


@given(logs, st.data())
def test_the_read_models_are_those_of_a_plain_dictionary(written: list[Step], data: st.DataObject) -> None:
    entries, fold = log_of(written)
    projector, models = projector_of(entries)
    projector.project(up_to=data.draw(st.integers(0, len(entries))))
    projector.project()

    discarded = _discarded(entries)
    shown = {user: _shown(log.accepted, discarded) for user, log in fold.users.items()}
    states = {user: state for user, (state, _) in shown.items()}
    active = {user: state for user, state in states.items() if isinstance(state, User)}
    found = models.snapshot()
    keys = models.keys.generation(1)

    claims = _claims(active)
    expected = {(keys.claims(name), value.encode(), user) for (name, value), users in claims.items() for user in users}
    assert {
        claim for index in (keys.claims("email"), keys.claims("external_id")) for claim in _in(found, index)
    } == expected
    waiting = {user: [e for e in log.accepted if e.sequence > shown[user][1]] for user, log in fold.users.items()}
    withheld = {
        (keys.waiting_claims(name), comparable(name, value).encode(), raw_id(user))
        for user, events in waiting.items()
        for event in events
        if isinstance(event, UserRegistered | UserUpdated)
        for name in _UNIQUE
        if (value := getattr(event.data, name)) is not None
    }
    assert {claim for index in map(keys.waiting_claims, _UNIQUE) for claim in _in(found, index)} == withheld
    parked = [Parked.decode(value) for value in found["hashes"].get(keys.quarantine, {}).values()]
    assert {one.user_id: one.sequence for one in parked} == {
        user: events[0].sequence for user, events in waiting.items() if events
    }
    assert _others(found, keys) == _indexed(active, keys)
    assert found["conflicts"] == {keys.conflict(*value) for value, users in claims.items() if len(users) > 1}
    for user, log in fold.users.items():
        record = UserRecord.decode(found["strings"][keys.user(user)])
        assert record.version == log.version
        assert record.waits == bool(waiting[user])
        assert set(record.void_ids) == log.void_ids
        history = [HistoryEntry.decode(entry).event_id for entry in found["histories"].get(keys.history(user), [])]
        assert history == [event.id for event in log.accepted]
        if isinstance(states[user], User):
            assert record.state(user) == states[user]
            assert active[user].version == (record.shown.version if record.shown else log.version)
        else:
            assert (
                record.presence == {None: "none", False: "gone", True: "erased"}[getattr(states[user], "erased", None)]
            )
    feed = {offset: FeedEntry.decode(entry) for offset, entry in found["feeds"].get(keys.changes(0), {}).items()}
    offsets = {record.id: offset for offset, (record, _) in reversed(list(enumerate(entries)))}
    accepted = [event for log in fold.users.values() for event in log.accepted]
    assert {offset: json.loads(entry.event)["id"] for offset, entry in feed.items()} == {
        offsets[event.id]: event.id for event in accepted
    }
    assert found["progress"][0].position == len(entries)
    assert found["progress"][0].watermark == max(timestamp for _, timestamp in entries) - 2000
    assert found["progress"][0].epoch == fold.epoch


def _discarded(entries: Sequence[tuple[LogRecord, int]]) -> set[str]:
    """Return the events that an operator discarded after they were accepted."""
    fold, discarded = PartitionFold(), set()
    for record, timestamp in entries:
        fold.apply(record, timestamp)
        if isinstance(record, EventsDiscarded) and record.data.user_id in fold.users:
            accepted = fold.users[record.data.user_id].accepted
            discarded |= {e.id for e in accepted if not isinstance(e, UserErased)} & set(record.data.event_ids)
    return discarded


def _shown(accepted: Sequence[UserEvent], discarded: set[str]) -> tuple[UserState, int]:
    """Return the user as far as the events fit, without those that were discarded, and the version that this is."""
    state: UserState = None
    for number, event in enumerate(accepted):
        if event.id in discarded:
            state = state and state.model_copy(update={"version": event.sequence})
            continue
        try:
            state = evolve(state, event)
        except CannotEvolve:
            return state, accepted[number - 1].sequence if number else 0
    return state, accepted[-1].sequence if accepted else 0


def _claims(active: dict[str, User]) -> dict[tuple[UniqueField, str], set[bytes]]:
    claims: dict[tuple[UniqueField, str], set[bytes]] = {}
    for user, state in active.items():
        claims.setdefault(("email", comparable("email", state.email)), set()).add(raw_id(user))
        if state.external_id is not None:
            claims.setdefault(("external_id", state.external_id), set()).add(raw_id(user))
    return claims


def _in(found: dict[str, Any], index: str) -> set[tuple[str, bytes, bytes]]:
    members = found["indexes"].get(index, ())
    return {(index, member[: -CLAIM_TAIL_BYTES - 1], member[-RAW_BYTES:]) for member in members}


def _others(found: dict[str, Any], keys: GenerationKeys) -> set[tuple[str, bytes]]:
    of_claims = {key for name in _UNIQUE for key in (keys.claims(name), keys.waiting_claims(name))}
    return {(key, member) for key, members in found["indexes"].items() if key not in of_claims for member in members}


def _indexed(active: dict[str, User], keys: GenerationKeys) -> set[tuple[str, bytes]]:
    return {entry for user, state in active.items() for entry in Listing.of(state).members(keys, user)}


def test_the_logs_of_these_tests_hold_every_verdict_and_every_turn_of_a_quarantine() -> None:
    """Else they would show less than they say."""
    found: set[Verdict | None] = set()
    turns: set[str] = set()

    @settings(max_examples=200, derandomize=True)
    @given(logs)
    def collect(written: list[Step]) -> None:
        entries, _ = log_of(written)
        projector, models = projector_of(entries)
        projector.project()
        found.update(judgement.verdict for judgement in projector.judgements)
        turns.update("parked" if j.parks else "waits behind" for j in projector.judgements if j.fault)
        hashes = models.snapshot()["hashes"]
        if any(j.fault for j in projector.judgements) and not hashes:
            turns.add("left")

    collect()
    assert found == {None, *Verdict}
    assert turns == {"parked", "waits behind", "left"}
