"""The command line: `python -m devstack run|status|stop|reset|token`."""

import argparse
import sys
from collections.abc import Sequence

from devstack import control, settings
from devstack.errors import DevstackError
from devstack.table import APPS, App

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, apps: Sequence[App] = APPS) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack", description="Kafka, Redis and every process on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start everything in the foreground; Ctrl-C stops it")
    status = commands.add_parser("status", help="show what runs, and where; exit status 1 when nothing does")
    status.add_argument("--json", action="store_true", help='print {"processes": [{"name", "pid", "url"}, ...]}')
    commands.add_parser("stop", help="stop a running stack and wait for its end")
    commands.add_parser("reset", help="stop, and delete data and logs; downloads stay")
    token = commands.add_parser("token", help="print a token for a stack that runs with AUTH=on")
    token.add_argument("--scope", nargs="+", action="extend", required=True, help="what it allows, such as users:read")
    token.add_argument("--subject", default="developer", help="whose it is: the `actor` of what is written with it")
    token.add_argument("--seconds", type=int, default=3600, help="how long it is valid; default: an hour")
    asked = parser.parse_args(arguments)
    try:
        return _do(asked, apps)
    except DevstackError as error:
        print(f"devstack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _do(asked: argparse.Namespace, apps: Sequence[App]) -> int:
    found = settings.from_environ()
    match asked.command:
        case "status":
            return control.status(found, as_json=asked.json)
        case "stop":
            control.stop(found)
        case "reset":
            control.reset(found)
        case "token":
            from devstack.tokens import Issuer

            issuer = Issuer(found.directory)
            print(issuer.token(asked.scope, subject=asked.subject, seconds=asked.seconds, environ=found.environ))
        case _:
            from devstack.run import run  # needs the packages of the lock, the others do not

            run(found, apps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
