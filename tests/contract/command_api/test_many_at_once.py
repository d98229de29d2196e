"""What an import may rely on when it asks for many things in one call, of the store in memory and of the real one."""

import asyncio
from collections.abc import Sequence

from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Held,
    Idempotency,
    Outcome,
    PendingUnderKey,
    Reserved,
    ReserveReply,
    Taken,
    VersionMoved,
    Wanted,
)
from tests.contract.command_api.worlds import World, registration
from tests.sample_events import event_id, user_id

MANY = 100


def wanted(number: int, email: str | None = None, key: str | None = None, external_id: str | None = None) -> Wanted:
    """Return what the registration of a user of its own needs."""
    values = [("email", email or f"p{number}@example.org")] + ([("external_id", external_id)] if external_id else [])
    idempotency = Idempotency("clerk", key, f"hash of {key}") if key else None
    return Wanted(event_id(number), user_id(number), 0, 0, values, idempotency)  # type: ignore[arg-type]


def ref(number: int, reply: ReserveReply) -> EventRef:
    assert isinstance(reply, Reserved)
    return EventRef(event_id(number), user_id(number), 1, 0, reply.deadline, reply.epoch)


async def test_many_are_reserved_as_each_alone_would_be(world: World) -> None:
    replies = await world.store.reserve_all([wanted(number) for number in range(1, MANY + 1)])

    assert len(replies) == MANY
    for number, reply in enumerate(replies, 1):
        one_more = Wanted(event_id(MANY + 1), user_id(MANY + 1), 0, 0, [("email", f"p{number}@example.org")], None)
        assert await world.store.reserve_all([one_more]) == [Held(ref(number, reply))]


async def test_each_of_many_has_a_reply_of_its_own_kind(world: World) -> None:
    world.happened(
        registration(90, user=90, email="taken@example.org", actor="clerk", idempotencykey="done", idempotencyhash="h")
    )
    [held] = await world.store.reserve_all([wanted(91, "held@example.org", "pending")])

    replies = await world.store.reserve_all(
        [
            wanted(1, external_id="hr-1"),
            wanted(2, "taken@example.org", external_id="hr-2"),
            wanted(3, "held@example.org"),
            wanted(4, key="done"),
            wanted(5, key="pending"),
            wanted(90, "other@example.org"),
            wanted(6, key="fresh"),
            wanted(7, external_id="hr-1"),
            wanted(8, external_id="hr-2"),
        ]
    )

    assert [type(reply) for reply in replies] == [
        Reserved,
        Taken,
        Held,
        DoneUnderKey,
        PendingUnderKey,
        VersionMoved,
        Reserved,
        Held,
        Reserved,
    ]
    assert replies[1] == Taken("email")
    assert replies[2] == Held(ref(91, held))
    assert replies[4] == PendingUnderKey(ref(91, held), "hash of pending")
    assert replies[7] == Held(ref(1, replies[0]))


async def test_of_equal_values_in_one_call_the_first_gets_it(world: World) -> None:
    first, *others = await world.store.reserve_all([wanted(number, "jo@example.org") for number in range(1, MANY + 1)])

    assert others == [Held(ref(1, first))] * (MANY - 1)


async def test_the_outcomes_of_many_come_in_their_order(world: World) -> None:
    numbers = range(1, 6)
    replies = await world.store.reserve_all([wanted(number) for number in numbers])
    refs = [ref(number, reply) for number, reply in zip(numbers, replies, strict=True)]
    offsets = world.happened(*(registration(number, user=number, email=f"p{number}@example.org") for number in (4, 1)))
    world.happened(registration(2, user=2, epoch="another"))

    outcomes = await world.store.outcomes(refs)

    assert outcomes == [
        Outcome("accepted", offsets[1]),
        Outcome("void"),
        Outcome("pending"),
        Outcome("accepted", offsets[0]),
        Outcome("pending"),
    ]
    assert outcomes == [await world.store.outcome(one) for one in refs]


async def test_what_is_settled_together_is_told_in_one_message(world: World) -> None:
    numbers = range(1, 6)
    await world.store.reserve_all([wanted(number) for number in numbers])
    woken: asyncio.Queue[Sequence[str] | None] = asyncio.Queue()
    world.store.on_wake = woken.put_nowait

    world.happened(*(registration(number, user=number, email=f"p{number}@example.org") for number in numbers))

    async with asyncio.timeout(5):
        while (ids := await woken.get()) is None:
            pass
    assert sorted(ids) == [event_id(number) for number in numbers]
