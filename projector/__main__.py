"""The projector's commands.

`python -m projector` projects; `relay` tells other systems what was accepted; `topics` creates and checks topics.
"""

import argparse
import logging
import signal
import time

from redis.exceptions import RedisError

from projector.log_setup import prepare_log, startup_error
from projector.process import Projector
from projector.relay_process import run_relay
from projector.settings import ProjectorSettings, RelaySettings
from projector.store import ReadModelStore
from read_models.projector_calls import OtherLog
from runtime import logs, startup
from runtime.server import serve_health
from runtime.settings import load

_STUCK_AFTER_SECONDS = 60

log = logging.getLogger(__name__)


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m projector", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=_COMMANDS, default="run")
    _COMMANDS[parser.parse_args().command]()


def _run_command() -> None:
    run(_settings())


def _topics_command() -> None:
    print(f"log {prepare_log(_settings())} is ready")


def _relay_command() -> None:
    settings = load(RelaySettings)
    logs.configure(settings, "relay")
    run_relay(settings)


_COMMANDS = {"run": _run_command, "relay": _relay_command, "topics": _topics_command}


def _settings() -> ProjectorSettings:
    settings = load(ProjectorSettings)
    logs.configure(settings, "projector")
    return settings


def run(settings: ProjectorSettings) -> None:
    """Project until SIGTERM or SIGINT."""
    log_id = prepare_log(settings)
    store = ReadModelStore(settings)
    _wait_for_redis(settings, store)
    try:
        projector = Projector(settings, log_id, store)
    except OtherLog as error:
        raise startup_error(error) from error

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
        raise startup_error(error) from error
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


if __name__ == "__main__":
    startup.main(main)
