"""The arguments of `python -m user_directory_events`, and its exit status."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kafka.errors import KafkaError

from user_directory_events.cli import show, tail, verify
from user_directory_events.codec import UnknownSchema
from user_directory_events.consumer.topics import TopicMissing
from user_directory_events.upcasters import CURRENT_VERSIONS

CANNOT: Final = 2
_USER_EVENTS: Final = sorted(name for name in CURRENT_VERSIONS if name.startswith("user."))


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Returns:
        0: all is well; 1: nothing of this user, or a fault was found; 2: it cannot be done, and one line on stderr says
        why; 130: Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` does. Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except TopicMissing as error:
        return _cannot(f"{error}: name the right one, or set --bootstrap-servers ({options.bootstrap_servers})")
    except (KafkaError, OSError) as error:
        return _cannot(f"Kafka at {options.bootstrap_servers} cannot be used: {error}: set --bootstrap-servers")
    except UnknownSchema as error:
        return _cannot(f"{error}: install a newer user-directory-events")
    return status


def _cannot(reason: str) -> int:
    print("user_directory_events:", " ".join(reason.split()), file=sys.stderr)
    return CANNOT


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--bootstrap-servers", default=_environ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"), help="%(default)s")
    add("--json", action="store_true", help="JSON, an object a line")
    options = "an option of kafka-python's consumer, such as security_protocol=SSL; may be repeated"
    add("--option", action="append", default=[], type=_option, metavar="NAME=VALUE", dest="kafka_options", help=options)
    parser = argparse.ArgumentParser(
        prog="python -m user_directory_events", description="Look into the topics of a user-directory."
    )
    commands = parser.add_subparsers(required=True, metavar="tail|show|verify")

    one = commands.add_parser("tail", parents=[common], help="print accepted changes as they come (user-changes)")
    _topic(one, "changes", "user-changes")
    one.add_argument("--type", action="append", choices=_USER_EVENTS, dest="types", help="only these; may be repeated")
    one.add_argument("--user", action="append", dest="users", metavar="ID", help="only this user; may be repeated")
    one.add_argument("--field", action="append", dest="fields", metavar="NAME", help="only changes of this field")
    since = "from when on: beginning, an RFC 3339 time, or 30s, 10m, 2h, 1d ago; else from now on"
    one.add_argument("--since", type=_since, metavar="TIME", help=since)
    one.add_argument("--end", action="store_true", help="end at what is there now, instead of waiting for more")
    one.set_defaults(run=tail.run)

    one = commands.add_parser("show", parents=[common], help="print every event of a user, with verdicts (user-events)")
    _topic(one, "events", "user-events")
    one.add_argument("user", metavar="ID")
    one.set_defaults(run=show.run)

    one = commands.add_parser("verify", parents=[common], help="check the log, and users against it")
    _topic(one, "events", "user-events")
    _topic(one, "users", "users")
    patience = "how long users may lag behind the log (default: %(default)g)"
    one.add_argument("--patience", type=float, default=30, metavar="SECONDS", help=patience)
    one.add_argument("--log-only", action="store_true", help="do not look at users")
    one.set_defaults(run=verify.run)
    return parser


def _topic(parser: argparse.ArgumentParser, what: str, default: str) -> None:
    parser.add_argument(f"--{what}-topic", default=_environ(f"{what.upper()}_TOPIC", default), help="%(default)s")


def _environ(name: str, default: str) -> str:
    # An empty variable is one that is not set, as for the processes.
    return os.environ.get(name) or default


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _since(text: str) -> datetime:
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    try:
        if text == "beginning":
            return datetime.fromtimestamp(0, UTC)
        if text[-1:] in units:
            return datetime.now(UTC) - timedelta(**{units[text[-1]]: float(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset: add Z")
    return moment
