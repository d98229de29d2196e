"""Every kind of fault: each breaks something, waits, and mends it; named as the summary names them."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from devstack.kafka_server import KafkaServer
from tests.faults.driver.system import DEADLINE_SECONDS, SKEW_SECONDS, Member, System

Details = dict[str, Any]
Break = Callable[[System, Random, Details], Awaitable[None]]
"""Breaks and mends; fills the details in as soon as they are known."""

PROCESSES = ("command-api", "query-api", "projector")


def shorter(random: Random) -> float:
    """Return a time shorter than the deadline."""
    return random.uniform(0.2, DEADLINE_SECONDS * 0.6)


def longer(random: Random) -> float:
    """Return a time longer than the deadline."""
    return DEADLINE_SECONDS + random.uniform(0.5, 4)


def kill(kind: str) -> Break:
    """Kill -9 one process of a kind, and start it again."""

    async def break_it(system: System, random: Random, details: Details) -> None:
        member = _choose(system, random, kind, details)
        member.wanted = False
        await system.call(member.process.kill)
        await asyncio.sleep(random.choice([0.0, 1.0, 3.0]))
        await system.start_member(member)

    return break_it


def pause(kind: str, duration: Callable[[Random], float]) -> Break:
    """Freeze one process of a kind for a while; sometimes all of them."""

    async def break_it(system: System, random: Random, details: Details) -> None:
        chosen = system.of(kind) if random.random() < 0.3 else [random.choice(system.of(kind))]
        details |= {"members": [member.name for member in chosen], "seconds": duration(random)}
        for member in chosen:
            member.process.pause()
        await asyncio.sleep(details["seconds"])
        for member in chosen:
            member.process.resume()

    return break_it


def restart_redis(data: str) -> Break:
    """Kill the Redis primary, and start it with its data kept, wiped or older."""

    async def break_it(system: System, random: Random, details: Details) -> None:
        async with system.redis_lock:
            if data == "older":
                await system.call(system.redis.take_snapshot)
                details["seconds"] = random.uniform(0.5, 5)
                await asyncio.sleep(details["seconds"])
            await system.call(system.redis.restart, data)

    return break_it


async def fail_over(system: System, random: Random, details: Details) -> None:
    """Promote the replica, which may lag, while some processes still talk to the old primary for a while."""
    async with system.redis_lock:
        redis = system.redis
        details |= {"lag": random.choice([0.0, 0.3, 1.5]), "seconds": random.uniform(0.5, DEADLINE_SECONDS + 3)}
        if details["lag"]:
            redis.replication.freeze()
            await asyncio.sleep(details["lag"])
        old = await system.call(redis.promote)
        stay = [random.choice(system.of("command-api"))] if random.random() < 0.8 else []
        stay += [member for member in system.of("query-api") if random.random() < 0.3]
        details["deposed"] = [member.name for member in stay]
        for member in system.members:
            if member not in stay:
                member.redis.retarget(redis.address)
        await asyncio.sleep(details["seconds"])
        for member in stay:
            member.redis.retarget(redis.address)
        redis.replication.mend()
        redis.replication.retarget(redis.address)
        if random.random() < 0.5:
            await system.call(old.kill)
        await system.call(redis.restart_replica)


async def pause_redis(system: System, random: Random, details: Details) -> None:
    """Freeze the Redis primary for a while."""
    async with system.redis_lock:
        details["seconds"] = shorter(random)
        primary = system.redis.primary
        primary.pause()
        await asyncio.sleep(details["seconds"])
        primary.resume()


async def kill_kafka(system: System, random: Random, details: Details) -> None:
    """Kill -9 a broker, and start it again."""
    await _kill_broker(system, random.choice(system.kafka.servers), random.choice([0.0, 2.0]), details)


async def kill_leader(system: System, random: Random, details: Details) -> None:
    """Kill -9 the broker that leads the log's first partition, and start it again."""
    leader = await system.call(system.kafka.leader, system.stack.events_topic)
    await _kill_broker(system, leader, random.uniform(1, 4), details)


async def _kill_broker(system: System, broker: KafkaServer, seconds: float, details: Details) -> None:
    details |= {"member": broker.name, "seconds": seconds}
    system.brokers_down.add(broker)
    await system.call(broker.kill)
    await asyncio.sleep(seconds)
    await system.call(broker.start)
    system.brokers_down.discard(broker)
    await system.call(broker.wait_ready)


async def pause_follower(system: System, random: Random, details: Details) -> None:
    """Freeze a broker that follows in the log's first partition."""
    leader = await system.call(system.kafka.leader, system.stack.events_topic)
    follower = random.choice([broker for broker in system.kafka.servers if broker is not leader])
    details |= {"member": follower.name, "seconds": longer(random)}
    follower.pause()
    await asyncio.sleep(details["seconds"])
    follower.resume()


def pause_kafka(duration: Callable[[Random], float], count: int = 1) -> Break:
    """Freeze some brokers for a while; two of three bring the in-sync replicas below the minimum."""

    async def break_it(system: System, random: Random, details: Details) -> None:
        chosen = random.sample(list(system.kafka.servers), count)
        details |= {"members": [broker.name for broker in chosen], "seconds": duration(random)}
        for broker in chosen:
            broker.pause()
        await asyncio.sleep(details["seconds"])
        for broker in chosen:
            broker.resume()

    return break_it


async def shift_clock(system: System, random: Random, details: Details) -> None:
    """Let one process see another time than it is, by as much as two clocks may differ."""
    member = _choose(system, random, random.choice(PROCESSES), details)
    details |= {"shift": random.choice([-SKEW_SECONDS, SKEW_SECONDS]), "seconds": longer(random)}
    await asyncio.to_thread(member.clock.write_text, str(details["shift"]))
    await asyncio.sleep(details["seconds"])
    await asyncio.to_thread(member.clock.write_text, "0")


async def add_projector(system: System, random: Random, details: Details) -> None:
    """Start one more projector, and take it away again: two rebalances."""
    (spare,) = system.of("projector", spare=True)
    await system.start_member(spare)
    await system.until_ready(spare)
    await asyncio.sleep(shorter(random))
    details["end"] = random.choice(["stop", "kill"])
    spare.wanted = False
    await system.call(spare.process.stop if details["end"] == "stop" else spare.process.kill)


async def remove_projector(system: System, random: Random, details: Details) -> None:
    """End a projector in good order, and start it again a while later."""
    member = _choose(system, random, "projector", details)
    member.wanted = False
    await system.call(member.process.stop)
    await asyncio.sleep(shorter(random))
    await system.start_member(member)


def trouble_link(kind: str, trouble: str) -> Break:
    """Cut, freeze or delay the links of one process: to Redis, to Kafka, or to its clients."""

    async def break_it(system: System, random: Random, details: Details) -> None:
        member = _choose(system, random, random.choice(PROCESSES[:2] if kind == "clients" else PROCESSES), details)
        links = {"redis": [member.redis], "kafka": member.kafka, "clients": [member.clients]}[kind]
        details["seconds"] = random.choice([shorter, longer])(random)
        for link in links:
            if trouble == "cut":
                link.cut()
            elif trouble == "freeze":
                link.freeze()
            else:
                link.delay = random.uniform(0.02, 0.4)
        await asyncio.sleep(details["seconds"])
        for link in links:
            link.mend()

    return break_it


async def slow_projectors(system: System, random: Random, details: Details) -> None:
    """Delay all that projectors and Redis tell each other: what must be one step would be seen as two."""
    details |= {"seconds": longer(random), "delay": random.uniform(0.05, 0.4)}
    members = system.of("projector")
    for member in members:
        member.redis.delay = details["delay"]
    await asyncio.sleep(details["seconds"])
    for member in members:
        member.redis.mend()


def _choose(system: System, random: Random, kind: str, details: Details) -> Member:
    member = random.choice(system.of(kind))
    details["member"] = member.name
    return member


def process_faults() -> dict[str, Break]:
    """Return the faults of single processes and their connections."""
    found: dict[str, Break] = {f"kill {kind}": kill(kind) for kind in PROCESSES}
    found |= {f"pause {kind} shortly": pause(kind, shorter) for kind in PROCESSES}
    found |= {f"pause {kind} past the deadline": pause(kind, longer) for kind in PROCESSES}
    for kind in ("redis", "kafka", "clients"):
        found |= {f"{trouble} a link to {kind}": trouble_link(kind, trouble) for trouble in ("cut", "freeze", "delay")}
    found |= {"add a projector": add_projector, "remove a projector": remove_projector}
    found["shift a clock"] = shift_clock
    found["delay the projectors' links to redis"] = slow_projectors
    return found


def store_faults(brokers: int) -> dict[str, Break]:
    """Return the faults of Redis and Kafka."""
    found: dict[str, Break] = {
        "kill redis, data kept": restart_redis("kept"),
        "kill redis, data wiped": restart_redis("wiped"),
        "kill redis, older data": restart_redis("older"),
        "fail redis over": fail_over,
        "pause redis": pause_redis,
        "kill kafka": kill_kafka,
        "pause kafka shortly": pause_kafka(shorter),
        "pause kafka past the deadline": pause_kafka(longer),
    }
    if brokers > 1:
        found |= {
            "kill the leader": kill_leader,
            "pause a follower": pause_follower,
            "isr below the minimum": pause_kafka(longer, brokers - 1),
        }
    return found
