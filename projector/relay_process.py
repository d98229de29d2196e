"""The relay as a process: health and metrics beside the loop, an orderly end."""

import argparse
import logging
import signal
import time
from collections.abc import Sequence
from functools import partial

from kafka.errors import KafkaError

from projector.log_setup import prepare_log, startup_error
from projector.relay import Relay
from projector.relay_store import RelayStore
from projector.settings import RelaySettings
from read_models.projector_calls import OtherLog
from runtime import logs, startup
from runtime.kafka_connection import again_until
from runtime.server import serve_health
from runtime.settings import load
from runtime.tracing import tracing_of

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Relay until SIGTERM or SIGINT. Redis may be away, then this waits for it.

    Raises:
        StartupError: Kafka does not answer in time, a topic is wrong, the address is taken, or Redis belongs to another
            log.
    """
    argparse.ArgumentParser(prog="python -m projector relay").parse_args(arguments)
    settings = load(RelaySettings)
    logs.configure(settings, "relay")
    log_id = prepare_log(settings)
    store = RelayStore(settings, log_id)
    tracing = tracing_of(settings, "relay")
    on_relayed = None
    if tracing is not None:
        from projector.projection_spans import relayed

        on_relayed = partial(relayed, tracing, settings.changes_topic)
    try:
        deadline = time.monotonic() + settings.startup_wait_seconds
        relay = again_until(deadline, lambda: Relay(settings, store, on_relayed=on_relayed))
    except KafkaError as error:
        raise startup.StartupError(
            f"Kafka's transactions cannot be used ({error or type(error).__name__}): the relay needs the transactional "
            "ids that begin with RELAY_GROUP, and a topic __transaction_state whose copies are in sync"
        ) from error

    checks = {"loop": relay.stuck_because, "partitions": relay.not_ready_because}
    server = serve_health(settings.relay_host, settings.relay_port, checks, relay.stuck_because)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    startup.quieten_collector()
    log.info("relaying", extra={"log_id": log_id})
    try:
        relay.run()
    except OtherLog as error:
        raise startup_error(error) from error
    finally:
        server.close()
        store.close()
        if tracing is not None:
            tracing.close()
    log.info("stopped")
