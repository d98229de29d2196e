"""A process of the table for the tests of the supervisor: healthy, and nothing else.

`python -m tests.integration.devstack.stand_in PREFIX [broken|stubborn]`
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["KAFKA_PARTITIONS"].encode())

    def log_message(self, *args: object) -> None:
        pass


def main(prefix: str, mood: str = "") -> None:
    """Serve on PREFIX_PORT until told to stop."""
    if mood == "broken":
        sys.exit("projector: REDIS_URL must be a redis:// URL")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mood == "stubborn" else signal.SIG_DFL)
    HTTPServer(("127.0.0.1", int(os.environ[f"{prefix}_PORT"])), _Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
