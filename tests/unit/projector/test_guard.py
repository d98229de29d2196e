from collections.abc import Mapping

import pytest

from projector.guard import EpochOpener
from read_models.projector_calls import Declared, GuardState
from read_models.records import LivePointer
from runtime import metrics

LIVE = LivePointer(1, "log", complete=False)


class Store:
    """The guard as Redis would hold it; `declared` is what comes of a declaration."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.ready = False
        self.declared: Declared = "ready"
        self.seen: list[Mapping[int, int]] = []

    def guard_state(self, opening: str | None) -> GuardState:
        if self.epoch is None:
            return "missing"
        return "ready" if self.ready else "opening" if self.epoch == opening else "missing"

    def open_guard(self, epoch: str) -> None:
        self.epoch, self.ready = epoch, False

    def declare_ready(self, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Declared:
        assert epoch == self.epoch
        self.seen.append(offsets)
        self.ready = self.declared == "ready"
        return self.declared


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def appended() -> list[str]:
    return []


@pytest.fixture
def opener(store: Store, appended: list[str]) -> EpochOpener:
    def append(epoch: str) -> Mapping[int, int]:
        # While it is appended nothing can be reserved any more.
        assert store.guard_state(None) != "ready"
        appended.append(epoch)
        return {0: len(appended)}

    return EpochOpener(store, append)


def confirmed() -> None:
    """Be sure of partition 0."""


def test_an_epoch_is_opened_and_declared_ready_once_it_is_projected(
    opener: EpochOpener, store: Store, appended: list[str]
) -> None:
    assert opener.step(LIVE, confirmed) is False
    store.declared = "waiting"
    assert opener.step(LIVE, confirmed) is False
    store.declared = "ready"

    assert opener.step(LIVE, confirmed) is True

    assert store.seen == [{0: 1}, {0: 1}]
    assert len(appended) == 1


def test_a_ready_guard_is_left_alone(opener: EpochOpener, store: Store, appended: list[str]) -> None:
    store.open_guard("of another process")
    store.ready = True

    assert opener.step(LIVE, confirmed) is True
    assert appended == []


def test_a_lost_guard_gets_a_fresh_epoch(opener: EpochOpener, store: Store, appended: list[str]) -> None:
    opener.step(LIVE, confirmed)
    opener.step(LIVE, confirmed)
    store.epoch = None

    assert opener.step(LIVE, confirmed) is False
    assert opener.step(LIVE, confirmed) is True
    assert len(set(appended)) == 2


def test_what_another_opener_has_begun_is_replaced(opener: EpochOpener, store: Store, appended: list[str]) -> None:
    store.open_guard("of a process that died over it")

    opener.step(LIVE, confirmed)

    assert appended == [store.epoch]


def test_an_epoch_that_is_not_the_newest_everywhere_is_given_up_for_a_fresh_one(
    opener: EpochOpener, store: Store, appended: list[str]
) -> None:
    opener.step(LIVE, confirmed)
    store.declared = "superseded"
    assert opener.step(LIVE, confirmed) is False
    store.declared = "ready"

    assert opener.step(LIVE, confirmed) is False
    assert opener.step(LIVE, confirmed) is True
    assert len(set(appended)) == 2


def test_without_being_sure_of_partition_0_nothing_is_opened(
    opener: EpochOpener, store: Store, appended: list[str]
) -> None:
    def not_a_member() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        opener.step(LIVE, not_a_member)

    assert store.epoch is None
    assert appended == []


def test_after_a_failed_append_a_fresh_epoch_is_opened(store: Store) -> None:
    attempts: list[str] = []

    def append(epoch: str) -> Mapping[int, int]:
        attempts.append(epoch)
        if len(attempts) == 1:
            raise ConnectionError
        return {0: 1}

    opener = EpochOpener(store, append)
    with pytest.raises(ConnectionError):
        opener.step(LIVE, confirmed)

    assert opener.step(LIVE, confirmed) is False
    assert opener.step(LIVE, confirmed) is True
    assert len(set(attempts)) == 2


def test_who_lost_partition_0_declares_nothing(opener: EpochOpener, store: Store, appended: list[str]) -> None:
    opener.step(LIVE, confirmed)
    opener.abandon()

    opener.step(LIVE, confirmed)

    assert store.seen == []
    assert len(set(appended)) == 2


def test_who_lost_partition_0_tells_no_more_that_writes_are_let_in(opener: EpochOpener, store: Store) -> None:
    store.open_guard("of another process")
    store.ready = True
    opener.step(LIVE, confirmed)
    assert metrics.GUARD_READY._value.get() == 1

    opener.abandon()

    assert metrics.GUARD_READY._value.get() == 0
