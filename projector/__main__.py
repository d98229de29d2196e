"""The projector's commands: `python -m projector` projects, `python -m projector topics` creates and checks topics."""

import argparse
import logging
import signal
import time

from kafka.errors import KafkaError
from redis.exceptions import RedisError

from projector.log_setup import prepare_log
from projector.process import Projector
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.projector_calls import OtherLog
from runtime import logs, startup
from runtime.server import serve_health
from runtime.settings import load

_STUCK_AFTER_SECONDS = 60

log = logging.getLogger(__name__)


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m projector", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["run", "topics"], default="run")
    command = parser.parse_args().command
    settings = load(ProjectorSettings)
    logs.configure(settings, "projector")
    if command == "topics":
        print(f"log {prepare_log(settings)} is ready")
    else:
        run(settings)


def run(settings: ProjectorSettings) -> None:
    """Project until SIGTERM or SIGINT."""
    log_id = prepare_log(settings)
    store = ReadModelStore(settings)
    _wait_for_redis(settings, store)
    try:
        projector = Projector(settings, log_id, store)
    except OtherLog as error:
        raise _other_log(error) from error
    except KafkaError as error:
        raise startup.StartupError(
            f"Kafka at {settings.kafka_bootstrap_servers} stopped answering during the start ({type(error).__name__}): "
            "start again when it does"
        ) from error

    def alive() -> str | None:
        idle = projector.seconds_since_loop()
        return f"the loop has not gone round for {idle:.0f} s" if idle > _STUCK_AFTER_SECONDS else None

    server = serve_health(
        settings.projector_host, settings.projector_port, {"loop": alive, "partitions": projector.not_ready_because}
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: projector.stop())
    startup.quieten_collector()
    log.info("projecting", extra={"log_id": log_id})
    try:
        projector.run()
    except OtherLog as error:
        raise _other_log(error) from error
    finally:
        server.close()
        store.close()
    log.info("stopped")


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


def _other_log(error: OtherLog) -> startup.StartupError:
    return startup.StartupError(
        f"Redis holds the read models of another log ({error.log_id}): "
        "set REDIS_URL or REDIS_KEY_PREFIX, or delete its keys, and they come back from this log"
    )


if __name__ == "__main__":
    startup.main(main)
