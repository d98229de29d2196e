"""Runs of the world: random until the faults stop, then to the end, then checked."""

from dataclasses import dataclass, fields
from random import Random
from typing import Self

from read_models.projector_calls import guard_state
from tests.integration.protocol.pace import PARTITIONS, Pace, random_pace
from tests.integration.protocol.promises import check
from tests.integration.protocol.servers import Machines
from tests.integration.protocol.violations import Violation
from tests.integration.protocol.world import World

_MOST_ROUNDS = 200


@dataclass(slots=True)
class Counts:
    """What schedules came to."""

    schedules: int = 0
    servers: int = 0
    records: int = 0
    accepted: int = 0
    answers: int = 0

    def __iadd__(self, other: "Counts") -> Self:
        for count in fields(self):
            setattr(self, count.name, getattr(self, count.name) + getattr(other, count.name))
        return self

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, count.name)} {count.name}" for count in fields(self))


def run_schedule(machines: Machines, seed: int, pace: Pace | None = None) -> Counts:
    """Run one schedule; the seed decides everything, also the pace where none is given.

    Raises:
        Violation: see there.
    """
    rnd = Random(seed)
    with machines.cleared():
        world = World(rnd, machines, pace or random_pace(rnd))
        for _ in range(rnd.randint(40, 250)):
            world.step()
        world.stop_faults()
        _accept_again(world)
        _settle(world)
        truth = check(world, machines.replay)
    records = sum(map(len, world.log.partitions))
    return Counts(1, len(world.outages.servers), records, len(truth.accepted), len(world.writers.answers))


def _accept_again(world: World) -> None:
    unaccepted = set(range(PARTITIONS))
    sent = {}
    for _ in range(_MOST_ROUNDS):
        world.round()
        for partition in sorted(unaccepted):
            if partition not in sent:
                user = world.clients.new_user(partition)
                ref = world.register(user, f"{user}@example.org")
                if ref is not None:
                    sent[partition] = ref
            elif (status := world.writers.ask(world.current, sent[partition]).status) == "accepted":
                unaccepted.discard(partition)
            elif status != "pending":
                del sent[partition]
        if not unaccepted:
            return
    raise Violation("a partition accepts nothing any more")


def _settle(world: World) -> None:
    for _ in range(_MOST_ROUNDS):
        world.round()
        if all(
            consumer.position == world.log.end(consumer.partition)
            and world.current.oldest_deadline(consumer.partition) is None
            for consumer in world.projectors.consumers
        ):
            break
    else:
        raise Violation("a reservation is never settled")
    left = world.current.dump(world.current.keys.prefix)
    if any(b":reserv" in key for key in left):
        raise Violation("a reservation left something behind")
    if world.current.run(guard_state(world.current.keys, None)) != "ready":
        raise Violation("the guard is not ready")
