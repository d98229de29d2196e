"""Run the query API: `python -m query_api`."""

from query_api.settings import QuerySettings
from runtime import logs, server, startup
from runtime.settings import load


def run() -> None:
    """Serve until SIGTERM."""
    settings = load(QuerySettings)
    logs.configure(settings, "query-api")
    server.run(
        "query_api.app:create_app",
        settings,
        host=settings.query_api_host,
        port=settings.query_api_port,
        check=lambda: _check(settings),
    )


def _check(settings: QuerySettings) -> None:
    # Imported here: the server has to settle how metrics are shared before anything imports them.
    from runtime import access

    access.check(settings, settings.query_api_host)


if __name__ == "__main__":
    startup.main(run)
