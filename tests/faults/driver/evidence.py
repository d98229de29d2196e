"""What is looked at once the faults are over: the log as it lies in Kafka, and all that the read models say."""

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from tests.faults.driver.system import System

_PAGE = 500
_CAUGHT_UP_SECONDS = 60
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log: `value` is its text, None of a tombstone."""

    partition: int
    offset: int
    timestamp: int
    value: str | None


@dataclass(frozen=True, slots=True)
class ReadModels:
    """What readers are told at the end."""

    exported: list[dict[str, Any]]
    listed: list[dict[str, Any]]
    count: int
    histories: dict[str, list[dict[str, Any]]]
    """By user id; of every user of the log."""
    documents: dict[str, tuple[int, Any]]
    """Status and body of `GET /users/{id}`, of every user of the log."""
    owners: dict[str, list[dict[str, Any]]]
    """By address, of every address of the log."""
    in_redis: dict[str, Any]
    """Documents by user id, as the keys in Redis have them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known when a run is over, beside its history."""

    log: list[Record]
    models: ReadModels

    def save(self, path: Path) -> None:
        """Write it down."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "Evidence":
        """Read it again."""
        found = json.loads(path.read_text())
        return cls([Record(**record) for record in found["log"]], ReadModels(**found["models"]))


def read_log(bootstrap: str, topic: str, partitions: int) -> list[Record]:
    """Read every record, partition by partition in order; nothing of it is decoded."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        assigned = [TopicPartition(topic, number) for number in range(partitions)]
        ends = consumer.end_offsets(assigned)
        consumer.assign(assigned)
        found: list[Record] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for partition, records in consumer.poll(timeout_ms=500).items():
                for record in records:
                    value = None if record.value is None else record.value.decode()
                    found.append(Record(partition.partition, record.offset, record.timestamp, value))
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


async def gather(system: System, http: httpx.AsyncClient) -> Evidence:
    """Read the log, then all read models as soon as they show all of it."""
    partitions = int(system.stack.environ["KAFKA_PARTITIONS"])
    log = await system.call(read_log, system.kafka.bootstrap, system.stack.events_topic, partitions)
    users, addresses = _named(log)
    token = _token_of_all(log)
    await _caught_up(http, token)
    documents = {}
    for user in users:
        answer = await http.get(f"/users/{user}")
        documents[user] = (answer.status_code, answer.json())
    exported = (await http.get("/users/export")).raise_for_status().text.splitlines()
    models = ReadModels(
        [json.loads(line) for line in exported],
        await _all_pages(http, "/users", {"limit": _PAGE, "sort": "email"}),
        (await http.get("/users/count")).raise_for_status().json()["count"],
        {user: await _all_pages(http, f"/users/{user}/history", {"limit": 200}) for user in users},
        documents,
        {address: await _all_pages(http, "/users", {"email": address}) for address in addresses},
        await system.call(_in_redis, system.redis.primary.url, system.stack.key_prefix),
    )
    return Evidence(log, models)


def _named(log: list[Record]) -> tuple[list[str], list[str]]:
    """Return every user and every address that is in the log, whatever became of it."""
    users: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for record in log:
        event = json.loads(record.value) if record.value else {}
        if "subject" in event:
            users[event["subject"]] = None
            if event["data"].get("email"):
                addresses[event["data"]["email"]] = None
    return list(users), list(addresses)


def _token_of_all(log: list[Record]) -> str:
    ends = {record.partition: record.offset for record in log}
    identity = next(
        str(json.loads(record.value)["data"]["log_id"])
        for record in log
        if record.value and "log.identity" in record.value
    )
    return identity + "".join(f".{partition}-{offset}" for partition, offset in sorted(ends.items()))


async def _caught_up(http: httpx.AsyncClient, token: str) -> None:
    deadline = asyncio.get_running_loop().time() + _CAUGHT_UP_SECONDS
    while (await http.get("/users/count", headers={"Consistency-Token": token})).status_code != httpx.codes.OK:
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"the read models have not caught up with the log within {_CAUGHT_UP_SECONDS} s")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _all_pages(http: httpx.AsyncClient, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await http.get(path, params=parameters | cursor)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return items
        page = answer.raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def _in_redis(url: str, prefix: str) -> dict[str, Any]:
    """Read the users' records as docs/data-formats.md describes them."""
    with Redis.from_url(url) as redis:
        generation = bytes(redis.get(f"{prefix}:live")).split()[0].decode()
        start = f"{prefix}:{generation}:u:".encode()
        documents = {}
        for key in redis.scan_iter(match=start + b"*", count=1000):
            head, _, document = bytes(redis.get(key)).partition(b"\n")
            user = key.removeprefix(start).hex()
            name = "-".join((user[:8], user[8:12], user[12:16], user[16:20], user[20:]))
            if head.split()[3] != b"N":
                documents[name] = json.loads(document) if document else None
        return documents
