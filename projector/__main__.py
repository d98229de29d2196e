"""The projector's commands.

`python -m projector` projects, `relay` tells other systems what was accepted; the others look after the log and the
read models.
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from kafka.errors import KafkaError
from redis.exceptions import RedisError

from projector import backup, generations, quarantine_cli, rebuild, relay_process, restore, verify_erasure
from projector.compaction import CompactedLog
from projector.erasure import Eraser
from projector.log_setup import prepare_log, startup_error
from projector.process import Projector
from projector.reports import LOGGER, Reports
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.projector_calls import OtherLog
from runtime import logs, startup
from runtime.kafka_connection import again_until
from runtime.server import serve_health
from runtime.settings import load
from runtime.tracing import tracing_of

log = logging.getLogger(__name__)


def main() -> None:
    """Run the command that the first argument names."""
    parser = argparse.ArgumentParser(prog="python -m projector", description=__doc__)
    parser.add_argument("command", nargs="?", choices=_COMMANDS, default="run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see: python -m projector COMMAND --help")
    asked = parser.parse_args()
    sys.exit(_COMMANDS[asked.command](asked.arguments))


def topics(arguments: Sequence[str]) -> None:
    """Create and check the topics."""
    _no_arguments("topics", arguments)
    print(f"log {prepare_log(_settings())} is ready")


def run(arguments: Sequence[str]) -> None:
    """Project until SIGTERM or SIGINT."""
    _no_arguments("run", arguments)
    settings = _settings()
    log_id = prepare_log(settings)
    tracing = tracing_of(settings, "projector")
    store, on_judged = ReadModelStore(settings), None
    if tracing is not None:
        from projector.projection_spans import ProjectionSpans

        on_judged = ProjectionSpans(tracing, settings.events_topic).judged
    _wait_for_redis(settings, store)
    try:
        deadline = time.monotonic() + settings.startup_wait_seconds
        projector = again_until(
            deadline, lambda: Projector(settings, log_id, store, reports=_reports(), on_judged=on_judged)
        )
    except OtherLog as error:
        raise startup_error(error) from error
    except KafkaError as error:
        raise startup.StartupError(
            f"Kafka at {settings.kafka_bootstrap_servers} stopped answering during the start ({type(error).__name__}): "
            "start again when it does"
        ) from error

    checks = {"loop": projector.stuck_because, "partitions": projector.not_ready_because}
    server = serve_health(settings.projector_host, settings.projector_port, checks, projector.stuck_because)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: projector.stop())
    eraser = Eraser(
        store,
        CompactedLog(settings),
        projector.partitions,
        tick_seconds=settings.erasure_tick_seconds,
        on_failure=projector.fail,
    )
    eraser.start()
    startup.quieten_collector()
    log.info("projecting", extra={"log_id": log_id})
    try:
        projector.run()
    except OtherLog as error:
        raise startup_error(error) from error
    finally:
        eraser.stop()
        server.close()
        store.close()
        if tracing is not None:
            tracing.close()
    log.info("stopped")


_COMMANDS: Final[dict[str, Callable[[Sequence[str]], int | None]]] = {
    "run": run,
    "relay": relay_process.main,
    "topics": topics,
    "rebuild": rebuild.main,
    "rollback": generations.rollback,
    "prune": generations.prune,
    "generations": generations.generations,
    "backup": backup.main,
    "restore": restore.main,
    "quarantine": quarantine_cli.main,
    "verify-erasure": verify_erasure.main,
}
"""Each takes its own arguments, and may return an exit status."""


def _settings() -> ProjectorSettings:
    settings = load(ProjectorSettings)
    logs.configure(settings, "projector")
    return settings


def _reports() -> Reports:
    told = logging.getLogger(LOGGER).isEnabledFor(logging.INFO)
    return Reports(logs.line_writer(LOGGER) if told else None)


def _no_arguments(command: str, arguments: Sequence[str]) -> None:
    argparse.ArgumentParser(prog=f"python -m projector {command}").parse_args(arguments)


def _wait_for_redis(settings: ProjectorSettings, store: ReadModelStore) -> None:
    deadline = time.monotonic() + settings.startup_wait_seconds
    while True:
        try:
            store.check()
        except RedisError as error:
            if time.monotonic() > deadline:
                raise startup.StartupError(
                    f"Redis at REDIS_URL does not answer ({type(error).__name__}): start it or set REDIS_URL"
                ) from error
            time.sleep(0.5)
        else:
            return


if __name__ == "__main__":
    startup.main(main)
