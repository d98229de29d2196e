"""The projector's commands: `python -m projector` projects, `python -m projector topics` creates and checks topics.

`python -m projector quarantine` shows users one of whose events could not be applied, and lets them out.
"""

import argparse
import logging
import signal
import sys
import time

from redis.exceptions import RedisError

from projector import quarantine_cli, verify_erasure
from projector.compaction import CompactedLog
from projector.erasure import Eraser
from projector.log_setup import prepare_log
from projector.process import Projector
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.projector_calls import OtherLog
from runtime import logs, startup
from runtime.server import serve_health
from runtime.settings import load

_COMMANDS = {"quarantine": quarantine_cli.main, "verify-erasure": verify_erasure.main}
"""Commands with arguments of their own, each of which returns its exit status."""

log = logging.getLogger(__name__)


def main() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:2] and sys.argv[1] in _COMMANDS:
        sys.exit(_COMMANDS[sys.argv[1]](sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m projector", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["run", "topics", *_COMMANDS], default="run")
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
        raise _other_log(error) from error
    finally:
        eraser.stop()
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
