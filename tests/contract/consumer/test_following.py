"""The stand-in topics of the kit and a real Kafka tell a follower the same."""

import uuid
from collections.abc import Iterable, Iterator

import pytest

from tests.contract.consumer.kafka_directory import KafkaDirectory
from user_directory_events import User
from user_directory_events.consumer import Batch, Changed, Checkpoint, CheckpointTooOld, Item, Loaded
from user_directory_events.testing import FakeDirectory


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def directory(request: pytest.FixtureRequest) -> Iterator[FakeDirectory]:
    if request.param == "memory":
        yield FakeDirectory(partitions=2)
        return
    made = KafkaDirectory(request.getfixturevalue("kafka_bootstrap"))
    yield made
    made.close()


def items(batches: Iterable[Batch]) -> list[Item]:
    return [item for batch in batches for item in batch]


def loaded(told: Iterable[Item]) -> dict[str, User | None]:
    return {item.user_id: item.user for item in told if isinstance(item, Loaded)}


def changes(told: Iterable[Item]) -> list[tuple[str, int]]:
    return sorted((item.user_id, item.event.sequence) for item in told if isinstance(item, Changed))


def test_users_are_loaded_then_each_change_is_told(directory: FakeDirectory) -> None:
    users = [directory.register() for _ in range(5)]
    directory.update(users[0], display_name="Ada")
    directory.delete(users[1])
    before = dict(directory.states)
    with directory.follow() as follower:
        first = items(follower.to_the_end())
        directory.suspend(users[0])
        late = directory.register()
        directory.erase(users[1])
        second = items(follower.to_the_end())

    assert loaded(first) == {user: state if isinstance(state, User) else None for user, state in before.items()}
    assert changes(first) == []
    assert changes(second) == sorted([(users[0], 3), (late, 1), (users[1], 3)])


def test_an_empty_directory_is_loaded_at_once(directory: FakeDirectory) -> None:
    with directory.follow() as follower:
        assert items(follower.to_the_end()) == []
        assert not follower.checkpoint.loading
        user = directory.register()
        assert changes(items(follower.to_the_end())) == [(user, 1)]


def test_a_reader_goes_on_behind_its_checkpoint(directory: FakeDirectory) -> None:
    user = directory.register()
    with directory.follow() as first:
        items(first.to_the_end())
        stored = first.checkpoint.to_json()
    directory.suspend(user)

    with directory.follow(checkpoint=Checkpoint.from_json(stored)) as second:
        assert [type(item) for item in items(second.to_the_end())] == [Changed]


def test_what_the_loaded_state_holds_is_not_told_again(directory: FakeDirectory) -> None:
    user = directory.register()
    directory.hold()
    directory.update(user, display_name="Ada")
    directory.update(user, display_name="Countess")
    directory.release(1)
    with directory.follow() as follower:
        assert loaded(items(follower.to_the_end())) == {user: directory.states[user]}
        directory.release()
        directory.suspend(user)

        assert changes(items(follower.to_the_end())) == [(user, 4)]


def test_a_group_goes_on_behind_the_batch_that_was_dealt_with(directory: FakeDirectory) -> None:
    users = [directory.register() for _ in range(5)]
    group = uuid.uuid4().hex
    with directory.follow(group=group) as first:
        assert set(loaded(items(first.to_the_end()))) == set(users)
        directory.suspend(users[0])
        broken = next(batch for batch in first if batch.items)

    with directory.follow(group=group) as second:
        assert changes(items(second.to_the_end())) == changes(broken) == [(users[0], 2)]
    with directory.follow(group=group) as third:
        assert items(third.to_the_end()) == []


def test_a_checkpoint_whose_changes_are_no_longer_kept_is_refused(directory: FakeDirectory) -> None:
    with directory.follow() as follower:
        items(follower.to_the_end())
        checkpoint = follower.checkpoint
    for _ in range(8):
        directory.register()
    (directory if isinstance(directory, KafkaDirectory) else directory.logs).expire()

    with directory.follow(checkpoint=checkpoint) as late, pytest.raises(CheckpointTooOld):
        items(late.to_the_end())
