"""Following a directory in memory: every user once, then each change once, whatever happens in between."""

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from user_directory_events import Undecodable, UnknownSchema, UserDeleted, UserErased, UserUpdated
from user_directory_events.consumer import (
    AsyncFollower,
    Batch,
    Changed,
    ChangesMissing,
    Checkpoint,
    CheckpointTooOld,
    CheckpointUnfit,
    Follower,
    Item,
    Loaded,
    Place,
    Progress,
    TopicMissing,
)
from user_directory_events.consumer.topics import TopicRecord
from user_directory_events.testing import FakeDirectory, FakeTopics


def items(batches: Iterable[Batch]) -> list[Item]:
    return [item for batch in batches for item in batch]


def changes(told: Iterable[Item]) -> list[tuple[str, int]]:
    return [(item.user_id, item.event.sequence) for item in told if isinstance(item, Changed)]


def test_users_are_loaded_then_each_change_is_told() -> None:
    directory = FakeDirectory()
    ada = directory.register(email="ada@example.org")
    directory.update(ada, display_name="Ada")
    with directory.follow() as follower:
        loaded = items(follower.to_the_end())
        assert isinstance(loaded[-1], Loaded)
        assert loaded[-1].user == directory.states[ada]
        bob = directory.register()
        directory.suspend(ada)

        told = items(follower.to_the_end())

    assert {item.user_id for item in loaded} == {ada}
    assert sorted(changes(told)) == sorted([(bob, 1), (ada, 3)])


def test_changes_that_the_loaded_state_holds_already_are_not_told() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    directory.hold()
    directory.update(ada, display_name="Ada")
    directory.update(ada, display_name="Countess")
    directory.release(1)
    follower = directory.follow()

    loaded = items(follower.to_the_end())
    directory.release()
    directory.suspend(ada)

    last = loaded[-1]
    assert isinstance(last, Loaded)
    assert last.user is not None
    assert (last.user.version, last.user.display_name) == (3, "Countess")
    assert changes(items(follower.to_the_end())) == [(ada, 4)]


def test_of_a_user_whom_users_forgot_already_only_the_end_is_told() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    directory.hold()
    directory.update(ada, display_name="Ada")
    directory.delete(ada)
    directory.release(1)
    directory.logs.compact()
    follower = directory.follow()

    loaded = items(follower.to_the_end())
    directory.release()
    directory.erase(ada)
    told = items(follower.to_the_end())

    assert all(item.forgets for item in loaded)
    assert [type(item.event) for item in told if isinstance(item, Changed)] == [UserDeleted, UserErased]
    assert [(item.forgets, item.erases) for item in told if isinstance(item, Changed)] == [(True, False), (True, True)]


def test_a_reader_goes_on_behind_its_checkpoint() -> None:
    directory = FakeDirectory()
    users = [directory.register() for _ in range(20)]
    first = directory.follow()
    items(first.to_the_end())
    stored = first.checkpoint.to_json()
    for user in users:
        directory.update(user, display_name="Jo")

    second = directory.follow(checkpoint=Checkpoint.from_json(stored))

    assert sorted(changes(items(second.to_the_end()))) == sorted((user, 2) for user in users)


def test_a_load_that_was_broken_off_goes_on_where_it_was() -> None:
    directory = FakeDirectory(partitions=1)
    users = [directory.register() for _ in range(250)]
    first = directory.follow()
    assert first.poll(0) is None  # partitions are assigned
    batch = first.poll(0)
    assert batch is not None
    assert batch.checkpoint.loading
    directory.update(users[0], display_name="Jo")

    second = directory.follow(checkpoint=Checkpoint.from_json(batch.checkpoint.to_json()))
    rest = items(second.to_the_end())

    # The newest state of the first user was loaded at the end, so the change is no news.
    assert [item.user_id for item in [*batch, *rest] if isinstance(item, Loaded)] == [*users, users[0]]
    assert changes(rest) == []


def test_with_a_store_of_versions_no_change_is_told_twice_after_a_restart() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    directory.hold()
    directory.update(ada, display_name="Ada")
    directory.update(ada, display_name="Countess")
    directory.release(1)
    store: dict[str, int] = {}
    first = directory.follow(known_version=lambda user: store.get(user, 0))
    for item in items(first.to_the_end()):
        assert isinstance(item, Loaded)
        assert item.user is not None
        store[item.user_id] = item.user.version
    directory.release()

    second = directory.follow(checkpoint=first.checkpoint, known_version=lambda user: store.get(user, 0))
    directory.suspend(ada)

    assert changes(items(second.to_the_end())) == [(ada, 4)]


def test_several_changes_of_a_user_in_one_batch_are_all_told_though_the_store_has_none_yet() -> None:
    directory = FakeDirectory(partitions=1)
    follower = directory.follow(known_version=lambda user: 0)
    items(follower.to_the_end())
    ada = directory.register()
    directory.suspend(ada)
    directory.reinstate(ada)

    assert changes(items(follower.to_the_end())) == [(ada, 1), (ada, 2), (ada, 3)]


def test_a_missing_change_is_never_passed_over() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    follower = directory.follow()
    items(follower.to_the_end())
    directory.hold()
    directory.suspend(ada)
    directory.reinstate(ada)
    assert directory._held is not None
    del directory._held[0]
    directory.release()

    for _ in range(2):
        with pytest.raises(ChangesMissing, match="from version 1 to 3"):
            items(follower.to_the_end())


def test_a_checkpoint_whose_changes_are_no_longer_kept_is_refused() -> None:
    directory = FakeDirectory()
    follower = directory.follow()
    items(follower.to_the_end())
    for _ in range(10):
        directory.register()
    directory.logs.expire()

    with pytest.raises(CheckpointTooOld):
        items(directory.follow(checkpoint=follower.checkpoint).to_the_end())


def test_a_checkpoint_of_other_topics_is_refused() -> None:
    follower = FakeDirectory(partitions=2).follow()
    items(follower.to_the_end())

    with pytest.raises(CheckpointUnfit):
        items(FakeDirectory(partitions=4).follow(checkpoint=follower.checkpoint).to_the_end())


def test_a_group_goes_on_behind_the_last_batch_that_was_dealt_with() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    first = directory.follow(group="mails")
    items(first.to_the_end())
    directory.suspend(ada)
    broken = first.poll(0)
    assert broken is not None
    first.close()

    second = directory.follow(group="mails")

    assert changes(items(second.to_the_end())) == changes(broken)
    assert changes(items(directory.follow(group="mails").to_the_end())) == []


def test_a_group_loads_a_partition_that_it_never_read_and_lets_go_of_one_that_is_taken() -> None:
    directory = FakeDirectory(partitions=2)
    users = [directory.register() for _ in range(20)]
    topics = directory.topics("mails", {0})
    follower = Follower(topics)
    first = {item.user_id for item in items(follower.to_the_end())}
    topics.take(0)
    topics.give(1)

    second = {item.user_id for item in items(follower.to_the_end())}

    assert first | second == set(users)
    assert not first & second
    assert set(follower.checkpoint.places) == {1}


def test_what_happens_is_observed() -> None:
    seen: list[Progress] = []
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    directory.hold()
    directory.suspend(ada)
    directory.reinstate(ada)
    directory.release(1)
    follower = directory.follow(observe=seen.append)
    items(follower.to_the_end())
    directory.release()
    directory.suspend(ada)
    items(follower.to_the_end())

    assert sum(progress.loaded for progress in seen) == 2
    assert (sum(progress.told for progress in seen), sum(progress.dropped for progress in seen)) == (1, 1)
    assert (seen[-1].position, seen[-1].timestamp) == (4, directory.logs.records["changes", 0][-1].timestamp)


async def test_the_same_is_told_to_asyncio() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    topics = directory.topics()
    told: list[Item] = []

    async with AsyncFollower(lambda: Follower(topics)) as follower:
        async for batch in follower:
            told += batch
            if len(told) == 1:
                directory.update(ada, display_name="Ada")
            else:
                break
        assert follower.checkpoint.places[0].changes == 2

    assert [type(item) for item in told] == [Loaded, Changed]
    assert isinstance(told[1], Changed)
    assert isinstance(told[1].event, UserUpdated)
    assert topics.closed


async def test_a_batch_for_which_nobody_waited_any_more_is_told_by_the_next_poll() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    begun, go_on = threading.Event(), threading.Event()

    class SlowTopics(FakeTopics):
        def poll(self, timeout: float) -> list[TopicRecord]:
            begun.set()
            assert go_on.wait(20)
            return super().poll(timeout)

    async with AsyncFollower(lambda: Follower(SlowTopics(directory.logs))) as follower:
        go_on.set()
        assert await follower.poll(0) is None  # partitions are assigned
        go_on.clear()
        begun.clear()
        waiting = asyncio.create_task(follower.poll(0))
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        told = await follower.poll(0)

    assert [item.user_id for item in told or ()] == [ada]


async def test_a_poll_that_failed_raises_and_a_follower_that_cannot_be_made_too() -> None:
    directory = FakeDirectory(partitions=1)
    directory.logs.append("users", 0, 0, b"key", b"{}")
    async with AsyncFollower(directory.follow) as follower:
        await follower.poll(0)
        for _ in range(2):
            with pytest.raises(Undecodable):
                await follower.poll(0)

    def fail() -> Follower:
        raise TopicMissing("topic users does not exist")

    with pytest.raises(TopicMissing):
        await AsyncFollower(fail).__aenter__()


async def test_a_follower_that_was_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await AsyncFollower(FakeDirectory().follow).poll(0)


def test_stop_ends_the_iteration() -> None:
    directory = FakeDirectory(partitions=1)
    directory.register()
    follower = directory.follow()

    for _ in follower:
        follower.stop()

    assert not follower.checkpoint.loading


def test_an_event_of_a_newer_release_stops_the_reader_until_it_knows_it() -> None:
    directory = FakeDirectory(partitions=1)
    ada = directory.register()
    follower = directory.follow()
    items(follower.to_the_end())
    checkpoint = follower.checkpoint
    directory.suspend(ada)
    log = directory.logs.records["changes", 0]
    known, newer = log[-1], (log[-1].value or b"").replace(b"user.suspended", b"user.locked")
    log[-1] = replace(known, value=newer)

    for _ in range(2):
        with pytest.raises(UnknownSchema, match=r"user\.locked/1"):
            follower.poll(0)
    assert follower.checkpoint == checkpoint
    log[-1] = known  # as if a release that knows it were installed
    assert changes(items(directory.follow(checkpoint=checkpoint).to_the_end())) == [(ada, 2)]


@pytest.mark.parametrize("value", [None, b"{}", b"not JSON"])
def test_what_is_no_change_stops_the_reader(value: bytes | None) -> None:
    directory = FakeDirectory(partitions=1)
    follower = directory.follow()
    items(follower.to_the_end())
    directory.logs.append("changes", 0, 0, b"key", value)

    for _ in range(2):
        with pytest.raises(Undecodable):
            follower.poll(0)


def test_a_checkpoint_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() -> None:
    checkpoint = Checkpoint({0: Place(7), 1: Place(5, 3, 9)})

    assert Checkpoint.from_json(checkpoint.to_json()) == checkpoint
    assert checkpoint.to_json() == '{"0":{"changes":7},"1":{"changes":5,"users":3,"until":9}}'
    for wrong in ("", "[]", '{"0":{}}', '{"0":{"changes":-1}}', '{"a":{"changes":1}}'):
        with pytest.raises(ValidationError):
            Checkpoint.from_json(wrong)
