"""`python -m runtime.healthcheck [PATH]`: the image's health check, the same for every process that it can run.

It asks for the path (/healthz if none is given) on the port of each process, and succeeds if the one that runs here
answers 200.
"""

import http.client
import os
import sys
from typing import Final

_PORTS: Final = {"COMMAND_API_PORT": 8001, "QUERY_API_PORT": 8002, "PROJECTOR_PORT": 8003, "RELAY_PORT": 8004}
_TIMEOUT_SECONDS: Final = 2.0


def main() -> int:
    """Return the exit status: 0 if a process answers 200."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    return 0 if any(_answers(int(os.environ.get(name) or port), path) for name, port in _PORTS.items()) else 1


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
