"""`python -m command_api`: serve the command API; `python -m command_api import FILE`: register the users of a file."""

import asyncio
import sys

from command_api.settings import CommandSettings
from runtime import logs, server, startup
from runtime.settings import load


def main() -> None:
    """Check what the process needs, then serve until SIGTERM; or import, if that is the first argument."""
    if sys.argv[1:2] == ["import"]:
        from command_api import import_cli

        sys.exit(import_cli.main(sys.argv[2:]))
    settings = load(CommandSettings)
    logs.configure(settings, "command-api")
    server.run(
        "command_api.app:create_app",
        settings,
        host=settings.command_api_host,
        port=settings.command_api_port,
        check=lambda: asyncio.run(_check(settings)),
    )


async def _check(settings: CommandSettings) -> None:
    # Imported here: the server has to settle how metrics are shared before anything imports them.
    from command_api.event_log import check_topics
    from command_api.store import check_redis
    from runtime import access

    access.check(settings, settings.command_api_host)
    await asyncio.gather(asyncio.to_thread(check_topics, settings), check_redis(settings))


if __name__ == "__main__":
    startup.main(main)
