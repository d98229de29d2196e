from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kafka.errors import TopicAlreadyExistsError

from tests.unit.events.fake_admin import FakeAdmin
from user_directory_events import topics
from user_directory_events.topics import (
    Topic,
    WrongTopic,
    changes_topic,
    create_missing,
    events_topic,
    quarantine_topic,
    users_topic,
    verify,
)

LOG = events_topic("log", partitions=4, replication_factor=3, min_insync_replicas=2)
QUARANTINE = quarantine_topic("log.quarantine", replication_factor=3, min_insync_replicas=2)
CHANGES = changes_topic("changes", partitions=4, replication_factor=3, min_insync_replicas=2, retention_hours=168)
USERS = users_topic("users", partitions=4, replication_factor=3, min_insync_replicas=2)
DAY_MS = 24 * 60 * 60 * 1000


def admin(*topics: Topic) -> Any:
    """Return an admin client of a cluster that has these topics."""
    fake = FakeAdmin()
    create_missing(fake, list(topics))
    return fake


def test_the_log_is_stamped_by_the_broker_and_loses_nothing_but_what_an_erasure_removes() -> None:
    assert LOG.required == {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
    }


def test_topics_that_were_just_created_are_right() -> None:
    verify(admin(LOG, QUARANTINE), [LOG, QUARANTINE])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_METADATA_SECONDS", 1)


class RacedAdmin(FakeAdmin):
    """A cluster in which another process creates each topic a moment before; brokers show it a little later."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, int] = {}

    def create_topics(self, topics: Mapping[str, Mapping[str, Any]], *, wait_for_metadata: bool) -> None:
        super().create_topics(topics, wait_for_metadata=wait_for_metadata)
        self.hidden |= dict.fromkeys(topics, 2)
        raise TopicAlreadyExistsError

    def list_topics(self) -> list[str]:
        return [name for name in super().list_topics() if name not in self.hidden]

    def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        self.hidden = {name: asked - 1 for name, asked in self.hidden.items() if asked}
        return [
            {**topic, "error_code": 3} if topic["name"] in self.hidden else topic
            for topic in super().describe_topics(names)
        ]


def test_a_topic_that_another_process_is_creating_is_waited_for() -> None:
    raced: Any = RacedAdmin()
    create_missing(raced, [LOG, QUARANTINE])

    verify(raced, [LOG, QUARANTINE])


def test_only_missing_topics_are_created() -> None:
    fake = admin(LOG)

    assert create_missing(fake, [LOG, QUARANTINE]) == ["log.quarantine"]
    assert create_missing(fake, [LOG, QUARANTINE]) == []
    assert fake.created == ["log", "log.quarantine"]


def test_a_topic_that_another_process_creates_meanwhile_is_taken_as_it_is() -> None:
    fake = admin(LOG)
    fake.list_topics = list

    assert create_missing(fake, [LOG]) == ["log"]
    assert fake.created == ["log"]


def test_a_missing_topic_is_named_with_what_creates_it() -> None:
    with pytest.raises(WrongTopic, match=r"topic log does not exist: run `python -m projector topics`"):
        verify(admin(QUARANTINE), [LOG, QUARANTINE])


@pytest.mark.parametrize("name", LOG.required)
def test_each_wrong_setting_is_named_with_what_it_must_be(name: str) -> None:
    fake = admin(LOG)
    fake.configs["log"][name] = "other"

    with pytest.raises(WrongTopic) as caught:
        verify(fake, [LOG])

    assert str(caught.value) == f"topic log has {name}=other, it must be {LOG.required[name]}"


def test_a_setting_that_the_operator_may_change_is_not_checked() -> None:
    fake = admin(LOG, QUARANTINE)
    fake.configs["log"]["segment.ms"] = "1000"
    fake.configs["log.quarantine"]["cleanup.policy"] = "delete"

    verify(fake, [LOG, QUARANTINE])


def test_another_partition_count_is_named() -> None:
    with pytest.raises(WrongTopic, match="topic log has 4 partitions, KAFKA_PARTITIONS says 12"):
        verify(admin(LOG), [replace(LOG, partitions=12)])


def test_a_partition_with_too_few_copies_is_named() -> None:
    fake = admin(LOG)
    fake.partitions["log"] = [3, 3, 1, 2]

    with pytest.raises(WrongTopic, match="topic log has 1 copies of a partition, KAFKA_REPLICATION_FACTOR says 3"):
        verify(fake, [LOG])


def test_a_partition_that_is_being_moved_may_have_more_copies() -> None:
    fake = admin(LOG)
    fake.partitions["log"] = [3, 3, 5, 3]

    verify(fake, [LOG])


def test_all_faults_are_told_together() -> None:
    fake = admin(LOG)
    fake.configs["log"]["cleanup.policy"] = "delete"
    fake.configs["log"]["message.timestamp.type"] = "CreateTime"

    with pytest.raises(WrongTopic) as caught:
        verify(fake, [replace(LOG, partitions=12), QUARANTINE])

    for word in ("12", "cleanup.policy=delete", "message.timestamp.type=CreateTime", "log.quarantine does not exist"):
        assert word in str(caught.value)


def test_changes_are_kept_for_a_week_in_segments_of_a_day() -> None:
    assert CHANGES.required["cleanup.policy"] == "delete"
    assert CHANGES.initial == {"retention.ms": str(7 * DAY_MS), "segment.ms": str(DAY_MS)}


def test_of_users_the_newest_state_is_kept() -> None:
    assert USERS.required["cleanup.policy"] == "compact"


def test_the_public_topics_that_were_just_created_are_right() -> None:
    verify(admin(CHANGES, USERS), [CHANGES, USERS])


@pytest.mark.parametrize("segment", ["", "0", str(DAY_MS + 1)])
def test_longer_segments_would_keep_changes_too_long(segment: str) -> None:
    fake = admin(CHANGES)
    fake.configs["changes"]["segment.ms"] = segment
    with pytest.raises(WrongTopic, match=f"topic changes has segment.ms={segment}, it must be at most {DAY_MS}"):
        verify(fake, [CHANGES])


def test_an_operator_may_change_the_retention_and_shorten_the_segments() -> None:
    fake = admin(CHANGES)
    fake.configs["changes"] |= {"retention.ms": "1", "segment.ms": "60000"}
    verify(fake, [CHANGES])


def test_a_topic_made_by_another_process_is_waited_for() -> None:
    fake = admin(LOG)
    fake.list_topics = list
    describe, answers = fake.describe_topics, iter([3, 3, 0])
    fake.describe_topics = lambda names: [{**describe(names)[0], "error_code": next(answers)}]

    create_missing(fake, [LOG])

    assert next(answers, None) is None


def test_a_broker_that_says_nothing_of_the_configuration_yet_is_asked_again() -> None:
    fake = admin(LOG)
    describe, answers = fake.describe_configs, iter([{"topic": {}}, {"topic": {LOG.name: {}}}])
    fake.describe_configs = lambda resources, *, config_filter: next(
        answers, describe(resources, config_filter=config_filter)
    )

    verify(fake, [LOG])

    assert next(answers, None) is None
