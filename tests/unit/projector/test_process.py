import threading
import time
from collections.abc import Sequence

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError
from prometheus_client import REGISTRY
from redis.exceptions import RedisError

from projector.process import Projector
from read_models.projector_calls import Applied, Batch
from read_models.records import LivePointer, UserRecord
from tests.memory_read_models import MemoryReadModels, now_ms
from tests.sample_events import (
    EPOCH,
    discard,
    epoch_opened,
    event_id,
    registered,
    replay,
    suspended,
    tick,
    updated,
    user_id,
)
from tests.unit.projector.memory_log import MemoryLog

QUARANTINED = "user_directory_projector_quarantined_records_total"


def version(models: MemoryReadModels, user: int = 1) -> int:
    value = models.snapshot()["strings"].get(models.keys.generation(1).user(user_id(user)))
    return UserRecord.decode(value).version if value else 0


def position(models: MemoryReadModels, partition: int = 0) -> int:
    found: int = models.snapshot()["progress"][partition].position
    return found


def test_what_the_group_gives_is_projected_from_the_checkpoint_and_committed(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(registered(), partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert log.placed == [(1, 0)]
    assert version(models) == 1
    assert log.commits[-1] == {1: 2}
    assert log.closed


def test_an_event_that_does_not_fit_parks_its_user_and_is_told(
    projector: Projector, log: MemoryLog, models: MemoryReadModels, caplog: pytest.LogCaptureFixture
) -> None:
    before = REGISTRY.get_sample_value(QUARANTINED, {"reason": "unfit"}) or 0
    log.append(epoch_opened(), partition=1)
    for record in (
        registered(),
        registered(2, sequence=2),
        suspended(3, sequence=3),
        registered(4, user=2, email="x@y"),
    ):
        log.append(record, partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert (version(models), version(models, 2)) == (3, 1)
    assert REGISTRY.get_sample_value(QUARANTINED, {"reason": "unfit"}) == before + 1
    assert REGISTRY.get_sample_value("user_directory_projector_parked_users") == 1
    told = [(record.message, record.__dict__["event_id"]) for record in caplog.records if record.levelname == "ERROR"]
    assert told == [("user parked", event_id(2)), ("event waits", event_id(3))]


def test_decisions_of_operators_are_carried_out_and_counted(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    for record in (registered(), registered(2, sequence=2), replay(), discard(event_id(2))):
        log.append(record, partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    value = models.snapshot()["strings"][models.keys.generation(1).user(user_id())]
    assert not UserRecord.decode(value).waits
    assert REGISTRY.get_sample_value("user_directory_projector_parked_users") == 0
    for kind in ("replay", "discard"):
        assert REGISTRY.get_sample_value("user_directory_projector_records_total", {"kind": kind, "verdict": ""})


def test_a_loop_that_hangs_says_so_and_takes_it_back_when_it_goes_on(projector: Projector, log: MemoryLog) -> None:
    hangs, release = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert release.wait(10)

    projector._stuck_after = 0.2
    said: list[str | None] = []
    log.script.extend([hang, lambda: said.append(projector.stuck_because())])
    loop = threading.Thread(target=projector.run)
    loop.start()
    try:
        assert hangs.wait(10)
        deadline = time.monotonic() + 10
        while projector.stuck_because() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        release.set()
        loop.join(10)

    assert not loop.is_alive()
    assert said == [None]


def test_a_second_projector_goes_on_where_the_first_one_was(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(registered(), partition=1)
    log.script.append(lambda: log.assign(1))
    projector.run()

    log.append(suspended(), partition=1)
    log.script.extend([lambda: log.revoke(1), lambda: log.assign(1)])
    projector._stopping = False
    projector.run()

    assert log.placed == [(1, 0), (1, 2)]
    assert version(models) == 2


def test_many_records_are_applied_in_batches(projector: Projector, log: MemoryLog, models: MemoryReadModels) -> None:
    batches: list[int] = []
    apply = models.apply

    def counted(live: LivePointer, given: Sequence[Batch]) -> list[Applied]:
        batches.extend(batch.progress.position - batch.position for batch in given)
        return apply(live, given)

    models.apply = counted  # type: ignore[method-assign, assignment]
    log.append(epoch_opened(), partition=1)
    for number in range(1, 5):
        log.append(registered(number, user=number), partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert batches == [2, 2, 1]
    assert [version(models, user) for user in range(1, 5)] == [1, 1, 1, 1]


def test_a_record_that_is_no_event_goes_to_the_quarantine_and_the_next_one_is_projected(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(b"{broken", partition=1)
    log.append(registered(), partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert [(partition, offset) for partition, offset, _ in log.quarantined] == [(1, 1)]
    assert (version(models), position(models, 1)) == (1, 3)
    assert projector.not_ready_because() is None


def test_nothing_is_applied_until_the_quarantine_has_the_record(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(b"{broken", partition=1)
    log.script.extend([lambda: log.assign(1), lambda: None])
    log.failing["quarantine"] = KafkaTimeoutError()

    projector.run()

    assert log.placed == [(1, 0), (1, 0)]
    assert len(log.quarantined) == 1
    assert position(models, 1) == 2


def test_a_tombstone_only_moves_the_checkpoint(projector: Projector, log: MemoryLog, models: MemoryReadModels) -> None:
    for _ in range(3):
        log.append(None, partition=1)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert position(models, 1) == 3
    assert log.quarantined == []


def test_a_newer_event_stops_its_partition_and_no_other(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    newer = b'{"specversion":"1.0","source":"/user-directory","type":"user.merged","dataschema":"user.merged/1"}'
    for partition in (1, 2):
        log.append(epoch_opened(), partition=partition)
    log.append(newer, partition=1)
    log.append(registered(1, user=1), partition=1)
    log.append(registered(2, user=2), partition=2)
    log.script.append(lambda: log.assign(1, 2))
    # The stopped partition is held for ever, so the log never calls itself idle.
    log.script.extend([lambda: None] * 5 + [projector.stop])

    projector.run()

    assert (version(models, 1), position(models, 1)) == (0, 1)
    assert (version(models, 2), position(models, 2)) == (1, 2)
    reason = projector.not_ready_because()
    assert reason is not None
    assert "partition 1: user.merged/1" in reason
    assert "offset 1" in reason


def test_a_batch_that_another_projector_has_applied_is_not_applied_twice(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(registered(), partition=1)
    log.append(updated(fields={"display_name": "Joe"}), partition=1)
    load = models.load

    def after_the_other(*arguments: object) -> object:
        found = load(*arguments)  # type: ignore[arg-type]
        models.load = load  # type: ignore[method-assign]
        rival = Projector.__new__(Projector)
        rival.__dict__.update(projector.__dict__ | {"_positions": {1: 0}})
        rival._project(projector._live, {1: log.records[1]})  # type: ignore[arg-type]
        return found

    models.load = after_the_other  # type: ignore[method-assign, assignment]
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert version(models) == 2
    assert log.placed == [(1, 0), (1, 3)]
    assert models.history_of(user_id())[1].offset == 2


@pytest.mark.parametrize("error", [RedisError("gone"), KafkaError("gone")])
def test_when_a_server_does_not_answer_nothing_is_committed_and_all_goes_back_to_the_checkpoint(
    projector: Projector, log: MemoryLog, models: MemoryReadModels, error: Exception
) -> None:
    log.append(epoch_opened(), partition=1)
    log.append(registered(), partition=1)
    load = models.load

    def fail(*_: object) -> object:
        models.load = load  # type: ignore[method-assign]
        assert log.commits == [{1: 0}]
        raise error

    models.load = fail  # type: ignore[method-assign, assignment]
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert log.placed == [(1, 0), (1, 0)]
    assert version(models) == 1
    assert log.commits[-1] == {1: 2}


def test_while_the_checkpoint_cannot_be_read_the_process_says_so(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    said: list[str | None] = []
    begin = models.begin

    def fail(*_: object) -> object:
        raise RedisError("gone")

    def come_back() -> None:
        said.append(projector.not_ready_because())
        models.begin = begin  # type: ignore[method-assign]

    models.begin = fail  # type: ignore[method-assign, assignment]
    log.script.extend([lambda: log.assign(0, 1), come_back])

    projector.run()

    assert said == ["2 partitions wait for Redis"]
    assert projector.not_ready_because() is None


def test_an_unforeseen_error_ends_the_process_and_leaves_the_group(projector: Projector, log: MemoryLog) -> None:
    log.failing["poll"] = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError):
        projector.run()

    assert log.closed
    assert log.commits == []


def test_who_holds_partition_0_opens_an_epoch_in_all_partitions(
    projector: Projector, log: MemoryLog, models: MemoryReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projector.process._GUARD_EVERY_SECONDS", 0)
    log.script.append(lambda: log.assign(0, 1, 2))
    log.script.extend([lambda: None] * 4)

    projector.run()

    assert models.guard_state(None) == "ready"
    assert [len(records) for records in log.records.values()] == [1, 1, 1]
    # It made sure first that it still was a member of the group.
    assert log.commits[0] == {0: 0, 1: 0, 2: 0}


def test_who_may_have_lost_partition_0_opens_nothing(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.failing["commit"] = KafkaError("not a member")
    log.script.append(lambda: log.assign(0))
    log.script.append(lambda: log.revoke(0))

    projector.run()

    assert models.guard_state(None) == "missing"
    assert log.records[0] == []


def test_who_holds_other_partitions_opens_nothing(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    log.script.append(lambda: log.assign(1, 2))

    projector.run()

    assert models.guard_state(None) == "missing"
    assert log.records[0] == []


def reserve(models: MemoryReadModels, partition: int, lifetime_ms: int) -> None:
    models.reserve(
        event_id="event",
        user_id=user_id(),
        partition=partition,
        version=0,
        unique_values=[],
        idempotency=None,
        lifetime_ms=lifetime_ms,
    )


@pytest.mark.parametrize(("lifetime_ms", "ticked"), [(-1, [1]), (60_000, [])])
def test_an_idle_partition_with_an_overdue_reservation_gets_a_tick(
    projector: Projector, log: MemoryLog, models: MemoryReadModels, lifetime_ms: int, ticked: list[int]
) -> None:
    live = models.begin(projector._log_id, {1: 0})
    models.open_guard(EPOCH)
    models.declare_ready(live, EPOCH, {})
    reserve(models, 1, lifetime_ms)
    log.script.append(lambda: log.assign(1))

    projector.run()

    assert log.ticked == ticked


def test_a_busy_partition_needs_no_tick(
    projector: Projector, log: MemoryLog, models: MemoryReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = models.begin(projector._log_id, {1: 0})
    models.open_guard(EPOCH)
    models.declare_ready(live, EPOCH, {})
    reserve(models, 1, -1)
    log.append(tick(), partition=1, timestamp=now_ms())
    projector._next_upkeep = float("inf")
    log.script.append(lambda: log.assign(1))
    log.script.extend([lambda: None, lambda: setattr(projector, "_next_upkeep", 0)])
    monkeypatch.setattr("projector.process._UPKEEP_EVERY_SECONDS", 60)

    projector.run()

    assert position(models, 1) == 1
    assert log.ticked == []
