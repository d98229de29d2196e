"""A directory of made-up users that a running stack has registered, through `POST /users/import`."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from redis import Redis

from benchmarks.crowded_directory import registration
from benchmarks.patient_client import PatientClient, Trouble
from benchmarks.registration import Crowd
from command_api.import_client import exchange
from read_models.keys import GenerationKeys, Keys

_ROWS_A_REQUEST: Final = 100_000
_PART_BYTES: Final = 64 * 1024
_IDLE_SECONDS: Final = 60
_WRITERS: Final = 32
_PATIENCE_SECONDS: Final = 60


class ImportedDirectory:
    """Read models that a stack has filled from its log."""

    def __init__(self, command_url: str, redis: Redis, prefix: str) -> None:
        """Begin with the empty directory of a stack."""
        self._url = command_url
        self._ids: list[str] = []
        pointer: Any = redis.get(Keys(prefix).live)
        generation, _, _ = pointer.decode().split()
        self.keys: Final[GenerationKeys] = Keys(prefix).generation(int(generation))
        self.key: str | None = None
        """The `Idempotency-Key` of the imports."""
        self.seconds = 0.0
        """How long all imports together have taken, from their first byte to their last result."""

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> Sequence[str]:
        """Return the ids of the users, by number."""
        return self._ids

    def register(self, up_to: int) -> Iterator[int]:
        """Import users up to a number; tell after each request how many there are.

        Raises:
            SystemExit: a row was not registered.
        """
        while len(self) < up_to:
            numbers = range(len(self), min(len(self) + _ROWS_A_REQUEST, up_to))
            began = time.perf_counter()
            self._ids += asyncio.run(self._import(numbers))
            self.seconds += time.perf_counter() - began
            yield len(self)

    def suspend(self, numbers: range) -> None:
        """Suspend users."""
        self._each([("POST", f"/users/{self._ids[number]}/suspend", None) for number in numbers])

    def update(self, numbers: range) -> None:
        """Change a field of users that is in no index."""
        body = b'{"attributes":{"team":"a"}}'
        self._each([("PATCH", f"/users/{self._ids[number]}", body) for number in numbers])

    async def _import(self, numbers: range) -> list[str]:
        answer: list[bytes] = []
        headers = {"Content-Type": "application/x-ndjson"} | ({"Idempotency-Key": self.key} if self.key else {})
        await exchange(
            f"{self._url}/users/import",
            headers,
            _parts(numbers),
            lambda _, data: answer.append(data),
            idle_seconds=_IDLE_SECONDS,
        )
        results = [json.loads(line) for line in b"".join(answer).splitlines()]
        wrong = [result for result in results if result["status"] != 201]
        if wrong or len(results) != len(numbers):
            raise SystemExit(f"{len(results)} results of {len(numbers)} rows; the first that is no 201: {wrong[:1]}")
        return [result["id"] for result in results]

    def _each(self, requests: Sequence[tuple[str, str, bytes | None]]) -> None:
        def send(client: PatientClient, request: tuple[str, str, bytes | None]) -> int:
            method, path, body = request
            return client.ask(method, path, body=body, headers={"Content-Type": "application/json"}).status

        crowd = Crowd(self._url, size=_WRITERS, patience_seconds=_PATIENCE_SECONDS, trouble=Trouble())
        if statuses := set(crowd.each(send, requests)) - {200}:
            raise SystemExit(f"changes were answered {sorted(statuses)}")


def _parts(numbers: range) -> Iterator[bytes]:
    part = bytearray()
    for number in numbers:
        part += registration(number).model_dump_json(exclude_none=True).encode() + b"\n"
        if len(part) >= _PART_BYTES:
            yield bytes(part)
            part.clear()
    yield bytes(part)
