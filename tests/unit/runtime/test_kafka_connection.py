import gc
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError

from runtime.kafka_connection import again_until, options, wait_for_admin
from runtime.settings import KafkaSettings
from runtime.startup import StartupError

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@pytest.fixture
def resetting_port() -> Iterator[int]:
    """Listen where each connection is taken and then reset, as a port does whose broker is not there yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken, _ = server.accept()
                except OSError:
                    return
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                taken.close()

        taking = threading.Thread(target=take)
        taking.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        taking.join()


@pytest.fixture
def settings(resetting_port: int) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{resetting_port}")


def open_files() -> int:
    gc.collect()
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.parametrize("client", [KafkaAdminClient, KafkaConsumer, KafkaProducer])
def test_clients_that_cannot_connect_leave_nothing_behind(
    settings: KafkaSettings, client: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest keeps what is logged, and with it the connections that are named there.
    monkeypatch.setattr(logging.getLogger("kafka"), "propagate", False)
    threads, files = threading.active_count(), open_files()
    for _ in range(3):
        with pytest.raises(KafkaError):
            client(**options(settings, "test") | {"bootstrap_timeout_ms": 300})

    assert threading.active_count() == threads
    assert open_files() == files


def test_a_kafka_that_takes_connections_and_drops_them_is_waited_for(settings: KafkaSettings) -> None:
    began = time.monotonic()
    with pytest.raises(StartupError, match=r"does not answer \(.+\): start it or set KAFKA_BOOTSTRAP_SERVERS"):
        wait_for_admin(settings, "test", 0.5)
    assert time.monotonic() - began >= 0.5


def test_what_may_pass_is_tried_again() -> None:
    act = Mock(side_effect=[KafkaConnectionError(), KafkaConnectionError(), "done"])
    assert again_until(time.monotonic() + 30, act) == "done"


def test_what_does_not_pass_is_raised_at_once() -> None:
    act = Mock(side_effect=[TopicAuthorizationFailedError(), "done"])
    with pytest.raises(TopicAuthorizationFailedError):
        again_until(time.monotonic() + 30, act)


def test_what_still_fails_at_the_deadline_is_raised() -> None:
    act = Mock(side_effect=KafkaConnectionError())
    with pytest.raises(KafkaConnectionError):
        again_until(time.monotonic(), act)
    assert act.call_count <= 2
