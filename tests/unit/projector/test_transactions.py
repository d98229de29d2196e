"""What is not whole is not committed, whatever kafka-python would do."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from projector.transactions import NotAMember, OutgoingRecord, TransactionalProducer

MEMBER = ConsumerGroupMetadata("relay", 3, "member-1")
OFFSETS = {TopicPartition("log", 0): OffsetAndMetadata(7, "", -1)}
RECORDS = [OutgoingRecord("changes", 0, b"user", b"event", [], 5), OutgoingRecord("users", 0, b"user", None, [])]


class FakeProducer:
    """A producer whose steps a test may let fail."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.slow: str | None = None
        self.closed = False
        self._sender = SimpleNamespace(wakeup=lambda: None, force_close=lambda: None)
        self._transaction_manager = SimpleNamespace(
            send_offsets_to_transaction=lambda *_: self._result("offsets"),
            begin_commit=lambda: self._result("commit"),
        )

    def init_transactions(self) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def send(self, topic: str, **record: Any) -> Any:
        self.steps.append(f"send {topic}")

        def acknowledged(_timeout: float) -> None:
            if topic in self.failing:
                raise self.failing[topic]

        return SimpleNamespace(get=acknowledged)

    def flush(self, _timeout: float) -> None:
        self._step("flush")

    def close(self, timeout: float) -> None:
        self.closed = True

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.failing:
            raise self.failing[name]

    def _result(self, name: str) -> Any:
        self._step(name)
        return SimpleNamespace(wait=lambda timeout_ms: name != self.slow)


@pytest.fixture
def fakes() -> list[FakeProducer]:
    return []


@pytest.fixture
def producer(fakes: list[FakeProducer]) -> TransactionalProducer:
    def make() -> FakeProducer:
        fakes.append(FakeProducer())
        return fakes[-1]

    made = TransactionalProducer(make)
    made.connect()
    return made


def test_all_is_acknowledged_before_the_offsets_and_the_commit(
    producer: TransactionalProducer, fakes: list[FakeProducer]
) -> None:
    producer.commit(RECORDS, OFFSETS, MEMBER)

    assert fakes[0].steps == ["init", "begin", "send changes", "send users", "flush", "offsets", "commit"]
    assert producer.connected


BREAKS: dict[str, Callable[[FakeProducer], object]] = {
    "a record that timed out": lambda fake: fake.failing.update(users=KafkaTimeoutError("expired")),
    "a flush that does not end": lambda fake: fake.failing.update(flush=KafkaTimeoutError("slow")),
    "offsets that are refused": lambda fake: fake.failing.update(offsets=KafkaError("IllegalGeneration")),
    "offsets without an answer": lambda fake: setattr(fake, "slow", "offsets"),
    "a commit without an answer": lambda fake: setattr(fake, "slow", "commit"),
}


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
def test_after_an_error_the_producer_is_replaced_by_one_that_ends_what_was_open(
    producer: TransactionalProducer, fakes: list[FakeProducer], breaks: Callable[[FakeProducer], object]
) -> None:
    breaks(fakes[0])

    with pytest.raises(KafkaError):
        producer.commit(RECORDS, OFFSETS, MEMBER)

    assert fakes[0].steps[-1] != "commit" or fakes[0].slow == "commit"
    assert not producer.connected
    producer.connect()
    assert fakes[1].steps == ["init"]


@pytest.mark.parametrize("member", [ConsumerGroupMetadata("relay"), ConsumerGroupMetadata("relay", 3, "")])
def test_who_is_no_member_sends_nothing(
    producer: TransactionalProducer, fakes: list[FakeProducer], member: ConsumerGroupMetadata
) -> None:
    with pytest.raises(NotAMember):
        producer.commit(RECORDS, OFFSETS, member)
    assert fakes[0].steps == ["init"]


def test_a_producer_that_cannot_begin_is_none(fakes: list[FakeProducer]) -> None:
    def make() -> FakeProducer:
        fakes.append(FakeProducer())
        fakes[-1].failing["init"] = KafkaTimeoutError("no coordinator")
        return fakes[-1]

    producer = TransactionalProducer(make)
    with pytest.raises(KafkaTimeoutError):
        producer.connect()
    assert not producer.connected
    with pytest.raises(KafkaError):
        producer.commit(RECORDS, OFFSETS, MEMBER)
