from unittest.mock import Mock

import pytest
from kafka.errors import KafkaTimeoutError

from projector import __main__ as projector_main
from projector import log_setup
from projector.settings import ProjectorSettings
from runtime.startup import StartupError


def test_a_kafka_that_falls_silent_during_the_start_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_main, "prepare_log", lambda _: "log")
    monkeypatch.setattr(projector_main, "ReadModelStore", Mock())
    monkeypatch.setattr(projector_main, "Projector", Mock(side_effect=KafkaTimeoutError()))

    with pytest.raises(StartupError, match=r"Kafka at 127\.0\.0\.1:9092 stopped answering.*start again"):
        projector_main.run([])


@pytest.mark.parametrize("client", ["KafkaConsumer", "KafkaProducer"])
def test_so_is_one_that_falls_silent_before_the_first_record(monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    for name in ("KafkaConsumer", "KafkaProducer"):
        monkeypatch.setattr(log_setup, name, Mock(side_effect=KafkaTimeoutError() if name == client else None))
    for name in ("wait_for_admin", "create_missing", "verify"):
        monkeypatch.setattr(log_setup, name, Mock())

    with pytest.raises(StartupError, match="the log's first record cannot be read or written"):
        log_setup.prepare_log(ProjectorSettings())
