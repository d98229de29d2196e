"""Redis is wiped, comes back older, or is away while a rebuild is at work: in the end everything is right."""

import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devstack.redis_server import RedisServer
from tests.e2e.processes import TIMEOUT_SECONDS, eventually
from tests.e2e.rebuilds import STARTS_WITHIN_SECONDS, Clients, dump, import_users, pointer, redis_of, run, start
from tests.stack import Stack

USERS = 4000
"""So many that hundreds of each of the four partitions are filled before the projectors close the rest of the gap."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def client(breakable: Stack) -> Iterator[Any]:
    with redis_of(breakable) as client:
        yield client


def slowly(stack: Stack) -> "Any":
    """Start a rebuild that goes record by record."""
    return start(stack, "rebuild", PROJECTOR_BATCH_RECORDS="1")


def filling(client: Any, stack: Stack) -> bool:
    value = client.get(f"{stack.key_prefix}:2:partition:0")
    return pointer(client, stack, "beside").endswith(" filling") and value is not None and int(value.split()[0]) > 20


def all_are_there(stack: Stack) -> bool:
    with httpx.Client(base_url=stack.query_url, timeout=TIMEOUT_SECONDS, trust_env=False) as query:
        return bool(query.get("/users/count").json().get("count") == USERS)


def ends_well(stack: Stack, client: Any) -> None:
    """A rebuild after all that makes the new generation live, and the two are alike."""
    eventually(lambda: all_are_there(stack), "all are there again", 120)
    if pointer(client, stack, "beside").endswith(" kept"):
        run(stack, "prune")
    run(stack, "rebuild")
    live, beside = (int(pointer(client, stack, name).split()[0]) for name in ("live", "beside"))
    clients = Clients(stack)
    with clients.at_work():
        eventually(lambda: clients.answers["POST 201"] > 5, "writes are accepted", 60)
    assert clients.faults == []
    eventually(lambda: dump(client, stack, live) == dump(client, stack, beside), "both generations are alike", 60)


def test_redis_is_wiped_while_a_generation_is_filled(breakable: Stack, redis: RedisServer, client: Any) -> None:
    import_users(breakable, USERS)
    rebuild = slowly(breakable)
    eventually(lambda: filling(client, breakable), "it fills", STARTS_WITHIN_SECONDS)

    client.flushdb()

    # It begins anew beside what the projectors fill, or says that there is nothing to rebuild.
    out, err = rebuild.communicate(timeout=240)
    assert rebuild.returncode in (0, 2), out + err
    assert "Traceback" not in err
    ends_well(breakable, client)


def test_redis_comes_back_older_while_a_generation_is_filled(breakable: Stack, redis: RedisServer, client: Any) -> None:
    import_users(breakable, USERS)
    rebuild = slowly(breakable)
    eventually(lambda: filling(client, breakable), "it fills", STARTS_WITHIN_SECONDS)
    # It stands still while it is looked at, so that it cannot have ended meanwhile.
    rebuild.send_signal(signal.SIGSTOP)
    assert filling(client, breakable)
    names = list(client.scan_iter(f"{breakable.key_prefix}:*", count=1000))
    copies = client.pipeline(transaction=True)
    for name in names:
        copies.dump(name)
    older = dict(zip(names, copies.execute(), strict=True))
    position = f"{breakable.key_prefix}:2:partition:0"
    seen = client.get(position)
    rebuild.send_signal(signal.SIGCONT)
    eventually(
        lambda: client.get(position) != seen or not pointer(client, breakable, "beside").endswith(" filling"),
        "it goes on",
        STARTS_WITHIN_SECONDS,
    )
    rebuild.send_signal(signal.SIGSTOP)

    pipeline = client.pipeline(transaction=True)
    pipeline.flushdb()
    for name, value in older.items():
        if value is not None and not name.endswith(b":rebuilding"):
            pipeline.restore(name, 0, value)
    pipeline.execute()
    rebuild.send_signal(signal.SIGCONT)

    _, err = rebuild.communicate(timeout=240)
    assert rebuild.returncode == 0, err
    live, beside = dump(client, breakable, 2), dump(client, breakable, 1)
    assert pointer(client, breakable, "live").startswith("2 ")
    assert live == beside
    ends_well(breakable, client)


def test_redis_is_restarted_while_a_generation_is_filled(breakable: Stack, redis: RedisServer, client: Any) -> None:
    import_users(breakable, USERS)
    rebuild = slowly(breakable)
    eventually(lambda: filling(client, breakable), "it fills", STARTS_WITHIN_SECONDS)

    redis.restart()

    _, err = rebuild.communicate(timeout=240)
    assert rebuild.returncode == 0, err
    assert pointer(client, breakable, "live").startswith("2 ")
    ends_well(breakable, client)
