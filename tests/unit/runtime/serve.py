"""The process that test_server.py runs, `python serve.py PORT`; like a real one it does not import the app itself."""

import sys

from runtime import logs, server, settings
from runtime.startup import main


class _Settings(settings.HttpSettings, settings.LogSettings):
    pass


def run() -> None:
    """Serve on the port of the command line."""
    read = settings.load(_Settings)
    logs.configure(read, "served-app")
    server.run("served_app:create_app", read, host="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main(run)
