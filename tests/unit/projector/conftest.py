import pytest

from projector.process import Projector
from projector.settings import ProjectorSettings
from tests.memory_read_models import MemoryReadModels
from tests.unit.projector.memory_log import MemoryLog
from user_directory_events import new_event_id


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(partitions=3)


@pytest.fixture
def models() -> MemoryReadModels:
    return MemoryReadModels()


@pytest.fixture
def projector(log: MemoryLog, models: MemoryReadModels, monkeypatch: pytest.MonkeyPatch) -> Projector:
    """Return a projector that stops when there is nothing left to do."""
    monkeypatch.setattr("projector.process._RETRY_AFTER_SECONDS", 0)
    monkeypatch.setattr("projector.process._UPKEEP_EVERY_SECONDS", 0)
    made = Projector(
        ProjectorSettings(projector_batch_records=2, clock_skew_seconds=0), new_event_id(), models, log.connect
    )
    log.idle = made.stop
    return made
