"""The operators' commands of the projector, and clients who read and write while they run."""

import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from redis import Redis

from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS
from tests.stack import Stack

_COMMAND_SECONDS = 240


def start(stack: Stack, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    """Start a command of the projector."""
    command = [sys.executable, "-m", "projector", *arguments]
    environ = stack.environ_of("projector") | settings
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: "subprocess.Popen[str]") -> str:
    """Wait until a command has ended well; return what it said."""
    out, err = process.communicate(timeout=_COMMAND_SECONDS)
    assert process.returncode == 0, out + err
    return out


def run(stack: Stack, *arguments: str) -> str:
    """Run a command of the projector to its good end; return what it said."""
    return done(start(stack, *arguments))


def refused(stack: Stack, *arguments: str) -> str:
    """Run a command that is refused; return the one line that says why."""
    process = start(stack, *arguments)
    out, err = process.communicate(timeout=_COMMAND_SECONDS)
    assert process.returncode == 2, out + err
    assert "Traceback" not in err
    return err.rstrip("\n").splitlines()[-1]


def import_users(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Register users; return the results."""
    lines = "\n".join(json.dumps(person(display_name=f"Person {number}")) for number in range(count))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = httpx.post(
        f"{stack.command_url}/users/import", content=lines, headers=headers, timeout=120, trust_env=False
    )
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [result["status"] for result in results] == [201] * count
    return results


def pointer(redis: Any, stack: Stack, name: str) -> str:
    """Return the live pointer (`live`) or the one beside it (`beside`), empty where there is none."""
    value: bytes | None = redis.get(f"{stack.key_prefix}:{name}")
    return "" if value is None else value.decode()


def dump(redis: Any, stack: Stack, generation: int) -> dict[bytes, Any]:
    """Return what a generation holds, but for where its change feed begins."""
    prefix = f"{stack.key_prefix}:{generation}:".encode()
    names = sorted(set(redis.scan_iter(prefix + b"*", count=1000)))
    types, values = redis.pipeline(transaction=False), redis.pipeline(transaction=True)
    for name in names:
        types.type(name)
    read: dict[bytes, Callable[[bytes], object]] = {
        b"string": values.get,
        b"list": lambda name: values.lrange(name, 0, -1),
        b"zset": lambda name: values.zrange(name, 0, -1),
        b"stream": values.xrange,
        b"set": values.smembers,
    }
    there = [(name, kind) for name, kind in zip(names, types.execute(), strict=True) if kind in read]
    for name, kind in there:
        read[kind](name)
    return {name.removeprefix(prefix): value for (name, _), value in zip(there, values.execute(), strict=True)}


@dataclass
class Clients:
    """Writers and readers of a running stack; `faults` says what they were not promised."""

    stack: Stack
    faults: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self, writers: int = 2, readers: int = 2) -> Iterator[None]:
        """Write and read until the block ends."""
        roles = [self._write] * writers + [self._read_again] * readers
        threads = [threading.Thread(target=role, args=(number,)) for number, role in enumerate(roles)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _client(self, url: str) -> httpx.Client:
        return httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def _expect(self, answer: httpx.Response, *statuses: int) -> bool:
        self.answers[f"{answer.request.method} {answer.status_code}"] += 1
        if answer.status_code not in statuses:
            self.faults.append(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
            return False
        return True

    def _write(self, number: int) -> None:
        """Register, change and delete users, and read each write with its token."""
        rnd = random.Random(number)
        with self._client(self.stack.command_url) as command, self._client(self.stack.query_url) as query:
            while not self._end.is_set():
                answer = command.post("/users", json=person(), headers={"Idempotency-Key": uuid.uuid4().hex})
                if not self._expect(answer, 201):
                    continue
                path = answer.headers["Location"]
                for _ in range(rnd.randint(0, 3)):
                    answer = command.patch(path, json={"display_name": f"N {rnd.random()}"})
                    if self._expect(answer, 200):
                        self._read_own(query, path, answer)
                if rnd.random() < 0.3 and self._expect(command.delete(path), 204):
                    continue
                time.sleep(0.05)

    def _read_own(self, query: httpx.Client, path: str, written: httpx.Response) -> None:
        headers = {"Consistency-Token": written.headers["Consistency-Token"], "Prefer": "wait=5"}
        answer = query.get(path, headers=headers)
        if self._expect(answer, 200) and answer.json() != written.json():
            self.faults.append(f"wrote {written.text}, then read {answer.text}")

    def _read_again(self, number: int) -> None:
        """Read the newest users again and again: nothing that was seen may be seen older."""
        seen: dict[str, int] = {}
        newest = 0
        with self._client(self.stack.query_url) as query:
            while not self._end.is_set():
                listed = query.get("/users", params={"sort": "-updated_at", "limit": 5})
                if not self._expect(listed, 200):
                    continue
                place = sum(int(part.partition("-")[2]) for part in listed.headers["Consistency-Token"].split(".")[1:])
                if place < newest:
                    self.faults.append(f"a list of place {place} after one of {newest}")
                newest = max(newest, place)
                for user in listed.json()["items"]:
                    answer = query.get(f"/users/{user['id']}")
                    if not self._expect(answer, 200, 410):
                        continue
                    version = answer.json()["version"] if answer.status_code == 200 else 1 << 30
                    before = max(seen.get(user["id"], 0), user["version"])
                    if version < before:
                        self.faults.append(f"{user['id']} at version {version} after {before}")
                    seen[user["id"]] = max(version, before)
                time.sleep(0.05)


STARTS_WITHIN_SECONDS = 120
"""A command has to load all of its modules first, which takes long where all cores are busy."""


def redis_of(stack: Stack) -> "Redis":
    """Return a client of the stack's Redis."""
    return Redis.from_url(stack.environ["REDIS_URL"])
