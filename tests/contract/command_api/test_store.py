"""What the command API may rely on, of the store in memory and of the real one alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from command_api.store import StoreUnavailable
from read_models.records import IdempotentOutcome
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Held,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    Reserved,
    Taken,
    VersionMoved,
)
from tests.contract.command_api.worlds import LIFETIME_MS, SKEW_MS, World, WorldMaker, registration
from tests.memory_read_models import now_ms
from tests.sample_events import (
    EPOCH,
    deleted,
    discard,
    epoch_opened,
    erased,
    event_id,
    registered,
    suspended,
    tick,
    updated,
    user_id,
)
from user_directory_events import User, evolve
from user_directory_events.timestamps import ENDLESS

KEY = Idempotency("clerk", "key-1", "hash-1")


def under(key: Idempotency) -> dict[str, Any]:
    """Return the attributes of an event that was asked for under a key."""
    return {"actor": key.actor, "idempotencykey": key.key, "idempotencyhash": key.request_hash}


# --- the guard


@pytest.mark.parametrize("call", [World.load, World.reserve])
async def test_before_the_first_epoch_nothing_can_be_decided(
    closed_world: World, call: Callable[[World], Awaitable[object]]
) -> None:
    with pytest.raises(StoreUnavailable):
        await call(closed_world)
    assert await closed_world.store.not_ready_because() is not None

    closed_world.open()

    assert await closed_world.store.not_ready_because() is None
    await call(closed_world)


@pytest.mark.parametrize("call", [World.load, World.reserve])
async def test_another_epoch_in_any_partition_stops_everything(
    world: World, call: Callable[[World], Awaitable[object]]
) -> None:
    world.projector.append(epoch_opened(epoch="epoch-2"), now_ms(), partition=1)
    world.projector.project_all()

    with pytest.raises(StoreUnavailable):
        await call(world)

    world.open("epoch-3")
    await call(world)


async def test_the_log_that_is_served_is_known_once_something_was_read(world: World) -> None:
    await world.load()

    assert world.store.log_id == world.projector.log_id


async def test_what_an_event_in_quarantine_claims_is_withheld_and_what_its_user_has_stays(world: World) -> None:
    again = registration(2, sequence=2, email="second@example.org", fields={"external_id": "hr-2"})
    world.happened(registration(), again)

    assert await world.reserve(3, user=2, email="second@example.org") == Taken("email")
    assert await world.reserve(3, user=2, email="x@example.org", external_id="hr-2") == Taken("external_id")
    assert await world.reserve(3, user=2, email="jo@example.org") == Taken("email")

    world.projector.append(discard(again.id), now_ms())
    world.projector.project()

    assert isinstance(await world.reserve(3, user=2, email="second@example.org", external_id="hr-2"), Reserved)
    assert await world.reserve(4, user=3, email="jo@example.org") == Taken("email")


async def test_who_is_in_quarantine_is_loaded_so_with_the_last_good_document(world: World) -> None:
    world.happened(registration(), registration(2, sequence=2), suspended(3, sequence=3, deadline=ENDLESS))

    found = await world.load()
    assert isinstance(found, Loaded)
    assert found.record is not None
    assert (found.record.waits, found.record.version) == (True, 3)
    state = found.record.state(user_id())
    assert isinstance(state, User)
    assert (state.version, state.status) == (1, "active")


# --- load


async def test_nobody_is_loaded_where_there_is_nobody(world: World) -> None:
    assert await world.load() == Loaded(None)


async def test_the_state_is_that_of_the_last_accepted_event(world: World) -> None:
    first, change = registration(), updated(fields={"attributes": {"empty": [], "big": 2**63}}, deadline=ENDLESS)

    _, offset = world.happened(first, change)

    found = await world.load()
    assert isinstance(found, Loaded)
    assert found.record is not None
    state = evolve(evolve(None, first), change)
    assert isinstance(state, User)
    assert found.record.state(user_id()) == state
    assert found.record.document == state.to_json()
    assert (found.record.version, found.record.partition, found.record.offset) == (2, 0, offset)


async def test_a_deleted_user_is_loaded_as_gone(world: World) -> None:
    world.happened(registration(), deleted(deadline=ENDLESS))

    found = await world.load()
    assert isinstance(found, Loaded)
    assert found.record is not None
    assert (found.record.presence, found.record.version) == ("gone", 2)


# --- reserve


async def test_a_reservation_has_the_guards_epoch_and_a_deadline(world: World) -> None:
    before = now_ms()
    found = await world.reserve()

    assert isinstance(found, Reserved)
    assert found.epoch == EPOCH
    assert before + LIFETIME_MS - 1 <= found.deadline <= now_ms() + LIFETIME_MS


@pytest.mark.parametrize(
    "other",
    [
        {"number": 2, "user": 1, "email": None},
        {"number": 2, "user": 2, "email": "JO@example.org"},
        {"number": 2, "user": 2, "email": "other@example.org", "external_id": "hr-1"},
    ],
)
async def test_what_one_event_holds_no_other_gets(world: World, other: dict[str, Any]) -> None:
    event = await world.reserved(1, external_id="hr-1")

    assert await world.reserve(**other) == Held(event)


async def test_what_does_not_touch_is_reserved_side_by_side(world: World) -> None:
    await world.reserved(1, user=1, email="a@example.org", external_id="1")
    await world.reserved(2, user=2, email="b@example.org", external_id="2")
    await world.reserved(3, user=3, email=None)


@pytest.mark.parametrize("version", [0, 2])
async def test_a_decision_on_another_version_reserves_nothing(world: World, version: int) -> None:
    world.happened(registration())

    assert await world.reserve(2, version=version, email=None) == VersionMoved()

    await world.reserved(3, version=1, email=None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "JO@example.org"}, "email"),
        ({"email": "joe@example.org", "external_id": "hr-1"}, "external_id"),
        ({"email": "jo@example.org", "external_id": "hr-1"}, "email"),
    ],
)
async def test_what_another_user_owns_is_taken(world: World, values: dict[str, Any], field: str) -> None:
    world.happened(registration(fields={"external_id": "hr-1"}))

    assert await world.reserve(2, user=2, **values) == Taken(field)  # type: ignore[arg-type]

    await world.reserved(3, user=2, email="joe@example.org")


async def test_what_one_owns_oneself_is_not_taken(world: World) -> None:
    world.happened(registration())

    await world.reserved(2, version=1)


async def test_what_was_released_can_be_reserved(world: World) -> None:
    world.happened(registration(), updated(fields={"email": "joe@example.org"}, deadline=ENDLESS))

    await world.reserved(3, user=2, email="jo@example.org")


@pytest.mark.parametrize("value", ["a b", "ü:ß", "x\u00a0y", "'\"\\", "📧", "%s", "{1}"])
async def test_any_text_can_be_a_unique_value(world: World, value: str) -> None:
    event = await world.reserved(1, external_id=value)
    assert await world.reserve(2, user=2, email=None, external_id=value) == Held(event)

    world.happened(registration(fields={"external_id": value}))

    assert await world.reserve(3, user=2, email=None, external_id=value) == Taken("external_id")


# --- settling


async def test_a_reservation_is_settled_by_its_event(world: World) -> None:
    event = await world.reserved()
    world.happened(registration(id=event.event_id))

    # The value belongs to the user by now, and the next version is free.
    assert await world.reserve(2, user=2) == Taken("email")
    await world.reserved(3, version=1, email="joe@example.org")


async def test_a_reservation_is_settled_by_its_void_event_as_well(world: World) -> None:
    event = await world.reserved()
    world.happened(registration(id=event.event_id, epoch="epoch-0"))

    await world.reserved(2, user=2)
    await world.reserved(3, email=None)


@pytest.mark.parametrize(("late_ms", "settled"), [(0, False), (1, True)])
async def test_a_reservation_is_settled_once_the_watermark_is_past_its_deadline(
    world: World, late_ms: int, settled: bool
) -> None:
    event = await world.reserved()
    world.projector.append(tick(), event.deadline + SKEW_MS + late_ms)
    world.projector.project()

    assert isinstance(await world.reserve(2, user=2), Reserved if settled else Held)


async def test_the_clock_of_another_partition_settles_nothing(world: World) -> None:
    event = await world.reserved()
    world.projector.append(tick(), event.deadline + 10 * SKEW_MS, partition=1)
    world.projector.project_all()

    assert await world.reserve(2, user=2) == Held(event)


async def test_a_released_reservation_holds_nothing(world: World) -> None:
    event = await world.reserved(external_id="hr-1", key=KEY)

    await world.store.release(0, event.event_id)

    await world.reserved(2, external_id="hr-1", key=KEY)


async def test_a_release_touches_no_reservation_but_its_own(world: World) -> None:
    first = await world.reserved(1)
    await world.store.release(0, event_id(7))
    assert await world.reserve(2, user=2) == Held(first)

    world.happened(registration(id=first.event_id, epoch="epoch-0"))
    second = await world.reserved(2, user=2)
    await world.store.release(0, first.event_id)

    assert await world.reserve(3, user=3) == Held(second)


# --- idempotency keys


async def test_a_key_leads_to_the_pending_event_that_holds_it(world: World) -> None:
    event = await world.reserved(key=KEY)

    assert await world.load(2, KEY) == PendingUnderKey(event, KEY.request_hash)
    assert await world.reserve(2, user=2, email=None, key=KEY) == PendingUnderKey(event, KEY.request_hash)


async def test_a_key_leads_to_the_outcome_of_its_accepted_event(world: World) -> None:
    event = await world.reserved(key=KEY)
    (offset,) = world.happened(registration(id=event.event_id, **under(KEY)))

    done = DoneUnderKey(IdempotentOutcome(KEY.request_hash, user_id(), 1, event.event_id, 0, offset))
    assert await world.load(2, KEY) == done
    # Whatever else there is to say, e.g. that the version has moved.
    assert await world.reserve(2, user=1, version=0, key=KEY) == done


async def test_a_void_event_leaves_its_key_free(world: World) -> None:
    event = await world.reserved(key=KEY)
    world.happened(registration(id=event.event_id, epoch="epoch-0", **under(KEY)))

    assert await world.load(1, KEY) == Loaded((await world.load()).record)  # type: ignore[attr-defined]
    await world.reserved(2, key=KEY)


@pytest.mark.parametrize("other", [Idempotency("another", "key-1", "hash-1"), Idempotency("clerk", "key-2", "hash-1")])
async def test_a_key_is_its_actors_own(world: World, other: Idempotency) -> None:
    await world.reserved(key=KEY)

    assert await world.load(2, other) == Loaded(None)
    await world.reserved(2, user=2, email=None, key=other)


async def test_a_key_is_kept_for_a_day_by_the_brokers_clock(world: World) -> None:
    day_ms = 24 * 60 * 60 * 1000
    kept, forgotten = Idempotency("clerk", "kept", "hash"), Idempotency("clerk", "forgotten", "hash")
    world.happened(registration(1, **under(kept)), timestamp=now_ms() - day_ms + 60_000)
    world.happened(registration(2, user=2, email="joe@example.org", **under(forgotten)), timestamp=now_ms() - day_ms)

    assert isinstance(await world.load(1, kept), DoneUnderKey)
    assert isinstance(await world.load(1, forgotten), Loaded)


# --- outcomes


async def test_an_event_is_pending_until_something_settles_it(world: World) -> None:
    event = await world.reserved()

    assert await world.store.outcome(event) == Outcome("pending")


async def test_an_accepted_event_has_its_offset(world: World) -> None:
    event = await world.reserved()
    (offset,) = world.happened(registration(id=event.event_id))
    world.happened(suspended(2, deadline=ENDLESS))

    assert await world.store.outcome(event) == Outcome("accepted", offset)


async def test_a_void_event_is_void(world: World) -> None:
    event = await world.reserved()
    world.happened(registered(id=event.event_id, deadline="2000-01-01T00:00:00.000Z"))

    assert await world.store.outcome(event) == Outcome("void")


async def test_an_event_whose_sequence_another_has_is_void(world: World) -> None:
    event = await world.reserved()
    world.happened(registration(7))

    assert await world.store.outcome(event) == Outcome("void")


@pytest.mark.parametrize(("late_ms", "status"), [(0, "pending"), (1, "never_written")])
async def test_an_event_that_the_log_never_had_is_never_written_once_it_cannot_come(
    world: World, late_ms: int, status: str
) -> None:
    event = await world.reserved()
    world.projector.append(tick(), event.deadline + SKEW_MS + late_ms)
    world.projector.project()

    assert (await world.store.outcome(event)).status == status


async def test_an_event_of_an_epoch_that_is_over_is_never_written(world: World) -> None:
    event = await world.reserved()
    world.projector.append(epoch_opened(epoch="epoch-2"), now_ms())
    world.projector.project()
    # The guard is not ready: this may be a Redis that is being refilled.
    assert (await world.store.outcome(event)).status == "pending"

    world.open("epoch-3")

    assert (await world.store.outcome(event)).status == "never_written"


async def test_the_outcome_of_an_erasure_is_found_though_the_history_has_forgotten_the_rest(world: World) -> None:
    world.happened(registration(), suspended(2, deadline=ENDLESS))
    event = await world.reserved(3, version=2, email=None)
    (offset,) = world.happened(erased(3, sequence=3, deadline=ENDLESS))

    assert await world.store.outcome(event) == Outcome("accepted", offset)
    assert await world.store.outcome(EventRef(event_id(1), user_id(), 1, 0, event.deadline, EPOCH)) == Outcome("void")


# --- history


async def test_the_history_is_told_up_to_a_version(world: World) -> None:
    events = [registration(), suspended(2, deadline=ENDLESS), deleted(3, sequence=3, deadline=ENDLESS)]
    offsets = world.happened(*events)

    history = await world.store.history(user_id(), 2)

    assert [(entry.event_id, entry.offset) for entry in history] == [
        (events[0].id, offsets[0]),
        (events[1].id, offsets[1]),
    ]


# --- waiting


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def test_who_waits_is_told_as_soon_as_the_event_is_projected(world: World) -> None:
    event = await world.reserved()
    waiting = asyncio.create_task(world.verdicts.settled(event, until=soon(), ask_first=False))
    await asyncio.sleep(0)
    (offset,) = world.happened(registration(id=event.event_id))

    assert await waiting == Outcome("accepted", offset)


async def test_who_comes_after_it_was_projected_is_told_at_once(world: World) -> None:
    event = await world.reserved()
    (offset,) = world.happened(registration(id=event.event_id))

    assert await world.verdicts.settled(event, until=soon(), ask_first=True) == Outcome("accepted", offset)


async def test_many_can_wait_for_one_event(world: World) -> None:
    event = await world.reserved()
    waiting = [asyncio.create_task(world.verdicts.settled(event, until=soon(), ask_first=True)) for _ in range(5)]
    await asyncio.sleep(0)
    (offset,) = world.happened(registration(id=event.event_id))

    assert await asyncio.gather(*waiting) == [Outcome("accepted", offset)] * 5


async def test_who_waits_for_a_release_is_told(world: World) -> None:
    event = await world.reserved()
    world.projector.append(epoch_opened(epoch="epoch-2"), now_ms())
    waiting = asyncio.create_task(world.verdicts.settled(event, until=soon(), ask_first=True))
    await asyncio.sleep(0)
    world.open("epoch-3")

    assert (await waiting).status == "never_written"


async def test_who_has_waited_long_enough_is_told_that_it_is_pending(world: World) -> None:
    event = await world.reserved()
    until = asyncio.get_running_loop().time() + 0.05

    assert await world.verdicts.settled(event, until=until, ask_first=True) == Outcome("pending")
    assert asyncio.get_running_loop().time() >= until


# --- what is projected twice


async def test_a_later_copy_of_an_event_is_known_as_one(world: World) -> None:
    first, second = registration(), suspended(2, deadline=ENDLESS)
    world.happened(first, second, registration(7, sequence=5))

    world.happened(first, second, registration(7, sequence=5))

    assert [judgement.verdict for judgement in world.projector.judgements[3:]] == [None, None, None]
    assert await world.version() == 2


async def test_a_later_copy_of_an_erasure_is_known_as_one(world: World) -> None:
    erasure = erased(3, sequence=7, deadline=ENDLESS)
    world.happened(registration(), erasure)

    world.happened(erasure)

    assert [judgement.verdict for judgement in world.projector.judgements[2:]] == [None]
    found = await world.load()
    assert isinstance(found, Loaded)
    assert found.record is not None
    assert found.record.void_ids == ()


# --- its end


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 100])
async def test_a_store_can_be_closed_at_any_moment_of_its_start(make_world: WorldMaker, turns: int) -> None:
    async with asyncio.timeout(5), make_world():
        for _ in range(turns):
            await asyncio.sleep(0)
