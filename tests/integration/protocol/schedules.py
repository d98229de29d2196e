"""Runs of the world: random until the faults stop, then to the end, then checked."""

from dataclasses import dataclass, replace
from random import Random

from read_models.projector_calls import guard_state
from tests.integration.protocol.promises import check
from tests.integration.protocol.servers import Machines
from tests.integration.protocol.world import PARTITIONS, Pace, Violation, World

_MOST_ROUNDS = 200


@dataclass(slots=True)
class Counts:
    """What schedules came to."""

    schedules: int = 0
    servers: int = 0
    appended: int = 0
    accepted: int = 0
    answers: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, name)} {name}" for name in self.__slots__)


def run_schedule(machines: Machines, seed: int, pace: Pace | None = None, **changes: float) -> Counts:
    """Run one schedule; the seed decides everything, also the pace where none is given.

    Raises:
        Violation: see there.
    """
    rnd = Random(seed)
    drawn = random_pace(rnd)
    world_pace = replace(pace or drawn, **changes)
    with machines.cleared():
        world = World(rnd, machines, world_pace)
        for _ in range(rnd.randint(40, 250)):
            world.step()
        _drain(world)
        truth = check(world, machines.replay)
    appended = sum(len(records) for records in world.log.partitions)
    return Counts(1, len(world.servers), appended, len(truth.accepted), len(world.writers.answers))


def random_pace(rnd: Random) -> Pace:
    """Draw how busy, slow and unlucky a world is."""
    return Pace(
        writes=rnd.choice([0.1, 0.3, 0.5]),
        projection=rnd.choice([0.1, 0.3, 0.9]),
        guard=rnd.choice([0.1, 0.4]),
        fault=rnd.choice([0.0, 0.02, 0.06]),
        election=rnd.choice([0.0, 0.05]),
    )


def _drain(world: World) -> None:
    """Go on without faults until each partition has accepted a write, all is projected and no reservation is left."""
    world.stop_faults()
    _accept_again(world)
    _settle(world)


def _accept_again(world: World) -> None:
    unaccepted = set(range(PARTITIONS))
    sent = {}
    for _ in range(_MOST_ROUNDS):
        _round(world)
        for partition in sorted(unaccepted):
            if partition not in sent:
                user = world.clients.new_user(partition)
                ref = world.write_at_once(user, f"{user}@example.org")
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
        _round(world)
        if all(
            consumer.position == world.log.end(consumer.partition)
            and world.current.oldest_deadline(consumer.partition) is None
            for consumer in world.consumers
        ):
            break
    else:
        raise Violation("a reservation is never settled")
    left = world.current.dump(world.current.keys.prefix)
    if any(":reserv" in key for key in left):
        raise Violation("a reservation left something behind")
    if world.current.run(guard_state(world.current.keys, None)) != "ready":
        raise Violation("the guard is not ready")


def _round(world: World) -> None:
    world.clocks.now += 25
    for consumer in world.consumers:
        world.step_consumer(consumer, most=500)
    world.step_opener()
