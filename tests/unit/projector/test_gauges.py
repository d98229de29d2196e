"""What the projector's gauges tell while it cannot go on: a gauge that stands still would look like health."""

import pytest
from redis.exceptions import RedisError

from projector.process import Projector
from runtime import metrics
from tests.memory_read_models import MemoryReadModels
from tests.sample_events import epoch_opened
from tests.unit.projector.memory_log import MemoryLog

NEWER = b'{"specversion":"1.0","source":"/user-directory","type":"user.merged","dataschema":"user.merged/1"}'


def test_with_redis_gone_no_writes_are_said_to_be_let_in(
    projector: Projector, log: MemoryLog, models: MemoryReadModels
) -> None:
    seen: list[float] = []

    def gone(*_: object) -> object:
        raise RedisError("gone")

    def let_in() -> None:
        metrics.GUARD_READY.set(1)
        models.begin = gone  # type: ignore[method-assign, assignment]
        log.assign(1)

    def look() -> None:
        seen.append(metrics.GUARD_READY._value.get())
        projector.stop()

    log.script.extend([let_in, look])

    projector.run()

    assert seen == [0]


def test_a_partition_that_is_stuck_at_its_first_record_lags(
    projector: Projector, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    log.append(NEWER, partition=1)
    log.append(epoch_opened(), partition=1)

    def later() -> None:
        now[0] += 40

    log.script.extend([lambda: log.assign(1), lambda: None, later, projector.stop])

    projector.run()

    assert metrics.LAG_RECORDS.labels("1")._value.get() == 2
    assert metrics.LAG_SECONDS.labels("1")._value.get() == 40
