"""What only a real Kafka can show: open transactions, members of a group that come and go."""

import threading
import uuid
from collections.abc import Iterator

import pytest

from tests.contract.consumer.kafka_directory import KafkaDirectory
from user_directory_events import UserSuspended
from user_directory_events.consumer import (
    AsyncFollower,
    Changed,
    Checkpoint,
    Follower,
    Item,
    Loaded,
    TopicMissing,
    follow,
)

pytestmark = pytest.mark.kafka


@pytest.fixture
def directory(kafka_bootstrap: str) -> Iterator[KafkaDirectory]:
    made = KafkaDirectory(kafka_bootstrap)
    yield made
    made.close()


def event_of(directory: KafkaDirectory, user: str) -> UserSuspended:
    directory.hold()
    directory.suspend(user)
    assert directory._held is not None
    (event,), directory._held = directory._held, None
    assert isinstance(event, UserSuspended)
    return event


def test_what_an_open_transaction_wrote_is_neither_told_early_nor_lost(directory: KafkaDirectory) -> None:
    user = directory.register()
    event = event_of(directory, user)
    producer = directory.producer()
    producer.begin_transaction()
    directory.write(producer, event)
    told: list[Item] = []
    with follow(directory.bootstrap, changes_topic=directory.changes, users_topic=directory.users) as follower:
        # The load waits for what may yet be committed, since a change before its end would be lost otherwise.
        for _ in range(5):
            told += follower.poll(0.2) or ()
        assert [item.user.version for item in told if isinstance(item, Loaded) and item.user] == [1]
        assert follower.checkpoint.loading

        producer.commit_transaction()
        for batch in follower.to_the_end():
            told += batch
    producer.close()

    versions = [item.user.version for item in told if isinstance(item, Loaded) and item.user]
    assert versions == [1, 2]
    assert [item for item in told if isinstance(item, Changed)] == []


def test_what_an_aborted_transaction_wrote_is_never_told(directory: KafkaDirectory) -> None:
    user = directory.register()
    event = event_of(directory, user)
    producer = directory.producer()
    producer.begin_transaction()
    directory.write(producer, event)
    producer.abort_transaction()
    producer.close()

    with follow(directory.bootstrap, changes_topic=directory.changes, users_topic=directory.users) as follower:
        told = [item for batch in follower.to_the_end() for item in batch]

    assert [item.user.version for item in told if isinstance(item, Loaded) and item.user] == [1]
    assert len(told) == 1


def test_members_of_a_group_share_the_users_and_one_that_leaves_is_replaced(directory: KafkaDirectory) -> None:
    users = {directory.register() for _ in range(30)}
    group = uuid.uuid4().hex
    seen: list[set[str]] = [set(), set()]
    followers: list[Follower] = [directory.follow(group=group) for _ in range(2)]

    def read(number: int) -> None:
        for batch in followers[number]:
            seen[number] |= {item.user_id for item in batch}
        followers[number].close()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    wait(lambda: seen[0] | seen[1] >= users and all(len(f.checkpoint.places) == 1 for f in followers))
    followers[0].stop()
    threads[0].join(20)
    seen[1].clear()
    late = {directory.register() for _ in range(30)}
    wait(lambda: seen[1] >= late)
    followers[1].stop()
    threads[1].join(20)

    assert not any(thread.is_alive() for thread in threads)
    assert set(followers[1].checkpoint.places) == {0, 1}


def wait(done: object, seconds: float = 40) -> None:
    assert callable(done)
    came = threading.Event()
    deadline = threading.Timer(seconds, came.set)
    deadline.start()
    try:
        while not done():
            assert not came.wait(0.05), "not in time"
    finally:
        deadline.cancel()


async def test_asyncio_is_told_the_same(directory: KafkaDirectory) -> None:
    user = directory.register()
    told: list[Item] = []

    def make() -> Follower:
        return follow(directory.bootstrap, changes_topic=directory.changes, users_topic=directory.users)

    async with AsyncFollower(make) as follower:
        async for batch in follower:
            told += batch
            if follower.checkpoint.loading:
                continue
            if len(told) > 1:
                break
            directory.suspend(user)

    assert [type(item) for item in told] == [Loaded, Changed]


def test_a_topic_that_is_not_there_is_named(kafka_bootstrap: str) -> None:
    with pytest.raises(TopicMissing, match=r"topic nothing-here does not exist"):
        follow(kafka_bootstrap, changes_topic="nothing-here", users_topic="nothing-here", checkpoint=Checkpoint())
