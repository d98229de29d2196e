"""The projector's commands: `python -m projector` projects; the others look after the log and the read models."""

import argparse
import logging
import signal
import time
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from projector import backup, generations, rebuild, restore
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
    """Run the command that the first argument names."""
    commands: dict[str, Callable[[Sequence[str]], None]] = {
        "run": run,
        "topics": topics,
        "rebuild": rebuild.main,
        "rollback": generations.rollback,
        "prune": generations.prune,
        "generations": generations.generations,
        "backup": backup.main,
        "restore": restore.main,
    }
    parser = argparse.ArgumentParser(prog="python -m projector", description=__doc__)
    parser.add_argument("command", nargs="?", choices=commands, default="run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see: python -m projector COMMAND --help")
    asked = parser.parse_args()
    commands[asked.command](asked.arguments)


def topics(arguments: Sequence[str]) -> None:
    """Create and check the topics."""
    _no_arguments("topics", arguments)
    print(f"log {prepare_log(_settings())} is ready")


def run(arguments: Sequence[str]) -> None:
    """Project until SIGTERM or SIGINT."""
    _no_arguments("run", arguments)
    settings = _settings()
    log_id = prepare_log(settings)
    store = ReadModelStore(settings)
    _wait_for_redis(settings, store)
    try:
        projector = Projector(settings, log_id, store)
    except OtherLog as error:
        raise _other_log(error) from error

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


def _settings() -> ProjectorSettings:
    settings = load(ProjectorSettings)
    logs.configure(settings, "projector")
    return settings


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


def _other_log(error: OtherLog) -> startup.StartupError:
    return startup.StartupError(
        f"Redis holds the read models of another log ({error.log_id}): "
        "set REDIS_URL or REDIS_KEY_PREFIX, or delete its keys, and they come back from this log"
    )


if __name__ == "__main__":
    startup.main(main)
