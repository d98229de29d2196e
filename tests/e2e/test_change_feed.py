"""The change feed of the processes as shipped; tests/faults breaks things while it is followed."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from benchmarks.change_crowd import Crowd
from tests.e2e.people import Body, person
from tests.e2e.processes import TIMEOUT_SECONDS
from tests.sse import Message, parse
from tests.stack import Stack

CLIENTS, WRITES = 200, 30


@contextmanager
def following(stack: Stack, **parameters: str) -> Iterator[Iterator[Message]]:
    """Follow the changes; gives the messages."""
    timeout = httpx.Timeout(TIMEOUT_SECONDS)
    with httpx.stream(
        "GET", f"{stack.query_url}/changes", params=parameters, timeout=timeout, trust_env=False
    ) as answer:
        assert answer.status_code == 200
        yield messages_in(answer)


def messages_in(answer: httpx.Response) -> Iterator[Message]:
    rest = b""
    for content in answer.iter_raw():
        whole, mark, rest = (rest + content).rpartition(b"\n\n")
        if mark:
            yield from parse(whole + mark)


def test_what_happens_to_a_user_is_told_as_it_happens(
    stack: Stack, command: httpx.Client, query: httpx.Client, register: Callable[..., Body]
) -> None:
    user = register(display_name="Jo")
    with following(stack, user=user["id"]) as messages:
        hello = next(messages)
        path = f"/users/{user['id']}"
        command.patch(path, json={"display_name": None, "external_id": user["id"]})
        told = [next(messages)]
        # Whoever is told of a change can see it.
        assert query.get(path).json()["version"] == 2
        command.post(f"{path}/suspend")
        command.post(f"{path}/suspend")
        command.post(f"{path}/reinstate")
        command.delete(path)
        told += [next(messages) for _ in range(3)]

    events = [json.loads(message.data or "") for message in told]
    assert [(event["type"], event["sequence"]) for event in events] == [
        ("user.updated", 2),
        ("user.suspended", 3),
        ("user.reinstated", 4),
        ("user.deleted", 5),
    ]
    assert [event["data"] for event in events] == [{"display_name": None, "external_id": user["id"]}, {}, {}, {}]
    assert {event["subject"] for event in events} == {user["id"]}
    with following(stack, user=user["id"], last_event_id=hello.id or "") as messages:
        next(messages)
        again = [json.loads(next(messages).data or "") for _ in range(4)]
    assert again == events


def test_many_clients_of_one_process_are_all_told_everything(stack: Stack) -> None:
    def write(done: Callable[[], Any]) -> None:
        with httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            for _ in range(WRITES):
                assert client.post("/users", json=person()).status_code == 201
        done()

    async def follow() -> set[int]:
        crowd, written, loop = Crowd(stack.query_url), asyncio.Event(), asyncio.get_running_loop()
        async with asyncio.timeout(60):
            await crowd.connect(CLIENTS)
            threading.Thread(target=write, args=[lambda: loop.call_soon_threadsafe(written.set)], daemon=True).start()
            await written.wait()
            await crowd.until_all_have(WRITES)
        assert not crowd.broken
        crowd.close()
        return crowd.counts()

    assert asyncio.run(follow()) == {WRITES}
