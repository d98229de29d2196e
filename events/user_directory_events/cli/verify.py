"""`verify`: walk the log, give every verdict anew, and compare the fold with `users`."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition

from user_directory_events.consumer.topics import TopicMissing
from user_directory_events.history import History
from user_directory_events.public_topics import decode_state
from user_directory_events.user import User
from user_directory_events.verification import Finding, Verification

_POLL_MS = 500
_AGAIN_SECONDS = 0.5


def run(options: argparse.Namespace) -> int:
    """Print what is there and what is wrong; return 1 if anything is."""
    kafka_options = dict(options.kafka_options)
    verification = Verification()
    with History(options.bootstrap_servers, topic=options.events_topic, **kafka_options) as log:
        _walk(log, verification)
        differences: list[Finding] = []
        if not options.log_only:
            with UsersTopic(options.bootstrap_servers, options.users_topic, kafka_options) as users:
                differences = compare(lambda: _walk(log, verification), users.read, verification, options.patience)
                verification.counts["users"] = sum(user is not None for user in users.read().values())
    findings = verification.faults_of_the_log() + differences
    _report(verification, findings, as_json=options.json)
    return 1 if findings else 0


def compare(
    walk: Callable[[], None],
    read_users: Callable[[], Mapping[str, User | None]],
    verification: Verification,
    patience: float,
) -> list[Finding]:
    """Compare until both say the same: the relay lags behind the log, and the log moves on meanwhile.

    Args:
        walk: takes what has come to the log since.
        read_users: returns what `users` holds now.
        verification: the log so far.
        patience: seconds to wait for users who differ.
    """
    deadline = time.monotonic() + patience
    pending: set[str] | None = None
    while True:
        differences = verification.differences(read_users(), pending)
        if not differences or time.monotonic() > deadline:
            return differences
        # Who was the same once is left out, or a busy directory would never be the same as a whole.
        pending = {finding.where for finding in differences}
        time.sleep(_AGAIN_SECONDS)
        walk()


def _walk(log: History, verification: Verification) -> None:
    for judged in log.to_the_end(on_unknown=verification.unknown):
        verification.take(judged)


def _report(verification: Verification, findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        for finding in findings:
            print(json.dumps(asdict(finding)))
        print(json.dumps({"counts": dict(verification.counts), "findings": len(findings)}))
        return
    for finding in findings:
        print(f"{finding.kind}: {finding.where}: {finding.detail}")
    for name, count in verification.counts.items():
        print(f"{count:>10} {name}")
    print(f"{len(findings)} faults" if findings else "no fault", file=sys.stdout)


class UsersTopic:
    """The topic `users`, folded: the newest state of each user.

    Raises:
        TopicMissing: the topic does not exist.
    """

    def __init__(self, bootstrap_servers: str, topic: str, kafka_options: dict[str, Any]) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **kafka_options,
        )
        self._users: dict[str, User | None] = {}
        if topic not in self._consumer.topics():
            self._consumer.close()
            raise TopicMissing(f"topic {topic} does not exist")
        self._partitions = [TopicPartition(topic, p) for p in self._consumer.partitions_for_topic(topic)]
        self._consumer.assign(self._partitions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False)

    def read(self) -> dict[str, User | None]:
        """Return what is there now."""
        for user_id, user in self._records():
            self._users[user_id] = user
        return self._users

    def _records(self) -> Iterator[tuple[str, User | None]]:
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(at) < end for at, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    yield record.key.decode(), decode_state(record.value)
