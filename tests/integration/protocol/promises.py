"""What the protocol promises, checked on the whole log and on every server at the end of a schedule."""

from collections.abc import Iterable

from tests.integration.protocol.consumers import Consumer
from tests.integration.protocol.expected import AcceptedEvent, Truth, fold
from tests.integration.protocol.pace import PARTITIONS
from tests.integration.protocol.servers import Server
from tests.integration.protocol.violations import Mismatch, Violation
from tests.integration.protocol.world import World


def check(world: World, replay: Server) -> Truth:
    """Check everything that can be checked once all is drained; `replay` is a server for the read models made anew.

    Raises:
        Violation: see there.
    """
    generation = world.current.keys.generation(world.live.generation)
    truth = fold(world.log.partitions, generation, world.pace.margin_ms)
    _check_sequences(truth)
    if world.pace.clocks_hold:
        _check_owners(truth)
        _check_answers(world, truth)
        if generation.conflicts.encode() in truth.read_models:
            raise Violation("a value has two owners at the end")
    _compare(world.current.dump(generation.prefix), truth, "the read models differ from the log")
    _replay(world, replay)
    _compare(replay.dump(generation.prefix), truth, "a replay differs from the log")
    return truth


def _in_order(truth: Truth) -> Iterable[AcceptedEvent]:
    return sorted(truth.accepted.values(), key=lambda accepted: accepted.order)


def _check_sequences(truth: Truth) -> None:
    versions: dict[str, int] = {}
    for accepted in _in_order(truth):
        event = accepted.event
        if event.sequence != versions.get(event.subject, 0) + 1:
            raise Violation("an update was lost: two events of one user at one version")
        versions[event.subject] = event.sequence


def _check_owners(truth: Truth) -> None:
    owners: dict[tuple[str, str], str] = {}
    idempotency_keys: set[str] = set()
    for accepted in _in_order(truth):
        user = accepted.event.subject
        for value in accepted.before.items() - accepted.after.items():
            if owners.get(value) == user:
                del owners[value]
        for value in accepted.after.items() - accepted.before.items():
            if owners.setdefault(value, user) != user:
                raise Violation("a value is owned twice")
        if (key := accepted.event.idempotencykey) is not None:
            if key in idempotency_keys:
                raise Violation("an idempotency key led to two events")
            idempotency_keys.add(key)


def _check_answers(world: World, truth: Truth) -> None:
    for answer in world.writers.answers:
        accepted = truth.accepted.get(answer.event_id)
        if (answer.outcome.status == "accepted") != (accepted is not None):
            raise Violation(f"a server said {answer.outcome.status} of an event, against the log")
        if accepted is not None and answer.outcome.offset != accepted.offset:
            raise Violation("a server named another offset than the log")


def _replay(world: World, server: Server) -> None:
    """Project the whole log, the partitions in a random interleaving, on an empty server."""
    consumers = [Consumer(world.log, p, server, world.live, world.pace.margin_ms) for p in range(PARTITIONS)]
    while consumers:
        consumer = world.rnd.choice(consumers)
        batch = consumer.prepare(world.clocks.now, world.rnd.randint(1, 12))
        if batch is None:
            consumers.remove(consumer)
        else:
            consumer.apply(batch)


def _compare(found: dict[bytes, object], truth: Truth, what: str) -> None:
    expected = truth.read_models
    if found != expected:
        keys = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        details = "\n".join(f"{key!r}: {found.get(key)!r}, by the log {expected.get(key)!r}" for key in keys[:5])
        raise Mismatch(f"{what}\n{details}")
