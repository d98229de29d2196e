"""The topics: their configuration, their creation and their check."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

_METADATA_SECONDS = 10
_POLL_SECONDS = 0.05
_DAY_MS = 24 * 60 * 60 * 1000


class WrongTopic(Exception):
    """A topic is missing or is not configured as the log needs it; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic must be like.

    `required` is checked at every start: another value would break a promise. `at_most` as well, and there an operator
    may choose less. `initial` is only set when the topic is created, and an operator may change it.
    """

    name: str
    partitions: int
    replication_factor: int
    required: Mapping[str, str]
    initial: Mapping[str, str]
    at_most: Mapping[str, int] = field(default_factory=dict)


def events_topic(name: str, *, partitions: int, replication_factor: int, min_insync_replicas: int) -> Topic:
    """Return the log of record: compacted, though every key is unique, so that an erasure can remove single records."""
    return Topic(
        name,
        partitions,
        replication_factor,
        {
            "cleanup.policy": "compact",
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(min_insync_replicas),
            "unclean.leader.election.enable": "false",
        },
        # A tombstone's record must be gone within a week of an erasure.
        {"max.compaction.lag.ms": str(7 * _DAY_MS), "segment.ms": str(_DAY_MS)},
    )


def quarantine_topic(name: str, *, replication_factor: int, min_insync_replicas: int) -> Topic:
    """Return the topic of records that could not be applied, kept for as long as the log."""
    return Topic(
        name,
        1,
        replication_factor,
        {"min.insync.replicas": str(min_insync_replicas), "unclean.leader.election.enable": "false"},
        {"cleanup.policy": "compact"},
    )


def changes_topic(
    name: str, *, partitions: int, replication_factor: int, min_insync_replicas: int, retention_hours: float
) -> Topic:
    """Return the topic of accepted events: each stays for its retention, counted from when the log took it."""
    return Topic(
        name,
        partitions,
        replication_factor,
        {
            "cleanup.policy": "delete",
            # The relay gives each change the time at which the log took the event.
            "message.timestamp.type": "CreateTime",
            "min.insync.replicas": str(min_insync_replicas),
            "unclean.leader.election.enable": "false",
        },
        {"retention.ms": str(round(retention_hours * 60 * 60 * 1000)), "segment.ms": str(_DAY_MS)},
        # Only whole segments age out, and with them what an erased person's changes said.
        {"segment.ms": _DAY_MS},
    )


def users_topic(name: str, *, partitions: int, replication_factor: int, min_insync_replicas: int) -> Topic:
    """Return the topic of users' states: compacted, so that the newest of each user stays."""
    return Topic(
        name,
        partitions,
        replication_factor,
        {
            "cleanup.policy": "compact",
            "min.insync.replicas": str(min_insync_replicas),
            "unclean.leader.election.enable": "false",
        },
        # A former state must be gone within a week of an erasure.
        {"max.compaction.lag.ms": str(7 * _DAY_MS), "segment.ms": str(_DAY_MS)},
    )


def create_missing(admin: KafkaAdminClient, topics: list[Topic]) -> list[str]:
    """Create the topics that are not there; return their names."""
    existing = set(admin.list_topics())
    missing = [topic for topic in topics if topic.name not in existing]
    for topic in missing:
        options = {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "configs": {**topic.required, **topic.initial},
        }
        # Another process may have been faster; `verify` judges what it made.
        try:
            admin.create_topics({topic.name: options}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            _describe(admin, [topic.name])
    return [topic.name for topic in missing]


def _describe(admin: KafkaAdminClient, names: list[str]) -> dict[str, Any]:
    """Describe topics, after waiting for those of which this broker has not heard yet: they may have just been made."""
    deadline = time.monotonic() + _METADATA_SECONDS
    while True:
        described = {topic["name"]: topic for topic in admin.describe_topics(names)}
        known = all(name in described and not described[name].get("error_code") for name in names)
        if known or time.monotonic() > deadline:
            return described
        time.sleep(_POLL_SECONDS)


def verify(admin: KafkaAdminClient, topics: list[Topic]) -> None:
    """Check that the topics are what the log needs.

    Raises:
        WrongTopic: naming each topic, each setting, what it is and what it must be.
    """
    described = _describe(admin, [topic.name for topic in topics])
    faults: list[str] = []
    for topic in topics:
        metadata = described.get(topic.name)
        if metadata is None or metadata.get("error_code"):
            faults.append(f"topic {topic.name} does not exist: run `python -m projector topics`")
            continue
        partitions = len(metadata["partitions"])
        if partitions != topic.partitions:
            faults.append(f"topic {topic.name} has {partitions} partitions, KAFKA_PARTITIONS says {topic.partitions}")
        # More are no fault: a partition that is being moved has the old copies and the new ones.
        copies = min(len(partition["replica_nodes"]) for partition in metadata["partitions"])
        if copies < topic.replication_factor:
            faults.append(
                f"topic {topic.name} has {copies} copies of a partition, "
                f"KAFKA_REPLICATION_FACTOR says {topic.replication_factor}"
            )
        actual = _configuration(admin, topic.name)
        faults += [
            f"topic {topic.name} has {key}={actual.get(key)}, it must be {value}"
            for key, value in topic.required.items()
            if actual.get(key) != value
        ]
        faults += [
            f"topic {topic.name} has {key}={actual.get(key)}, it must be at most {most}"
            for key, most in topic.at_most.items()
            if not 0 < int(actual.get(key) or 0) <= most
        ]
    if faults:
        raise WrongTopic("; ".join(faults))


def _configuration(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    """Return a topic's configuration, after waiting for it: a broker that has not heard of the topic says nothing."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    deadline = time.monotonic() + _METADATA_SECONDS
    while True:
        described = admin.describe_configs([resource], config_filter="all")["topic"].get(name, {})
        if described or time.monotonic() > deadline:
            return {key: config["value"] for key, config in described.items()}
        time.sleep(_POLL_SECONDS)
