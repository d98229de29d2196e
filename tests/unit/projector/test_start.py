from unittest.mock import Mock

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from projector import __main__ as projector_main
from projector import log_setup
from projector.settings import ProjectorSettings
from runtime.startup import StartupError


def test_a_kafka_that_falls_silent_during_the_start_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARTUP_WAIT_SECONDS", "0.1")
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
        log_setup.prepare_log(ProjectorSettings(startup_wait_seconds=0.1))


def test_a_kafka_that_drops_connections_at_first_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    admins = [Mock(), Mock(), Mock()]
    monkeypatch.setattr(log_setup, "wait_for_admin", Mock(side_effect=admins))
    monkeypatch.setattr(log_setup, "create_missing", Mock(side_effect=[KafkaConnectionError(), None, None]))
    monkeypatch.setattr(log_setup, "verify", Mock(side_effect=[KafkaTimeoutError(), None]))
    monkeypatch.setattr(log_setup, "KafkaConsumer", Mock(side_effect=[KafkaConnectionError(), Mock()]))
    monkeypatch.setattr(log_setup, "KafkaProducer", Mock())
    monkeypatch.setattr(log_setup, "_first_identity", Mock(return_value="log"))

    assert log_setup.prepare_log(ProjectorSettings()) == "log"
    assert all(admin.close.called for admin in admins)


def test_one_that_always_drops_them_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_setup, "wait_for_admin", Mock())
    monkeypatch.setattr(log_setup, "create_missing", Mock(side_effect=KafkaConnectionError()))

    with pytest.raises(StartupError, match="Kafka's topics cannot be used: KafkaConnectionError"):
        log_setup.prepare_log(ProjectorSettings(startup_wait_seconds=0.1))
