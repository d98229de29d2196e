"""`python -m projector quarantine`: users one of whose events could not be applied; look at them, and let them out."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from projector.quarantine_log import Appended, decision_log
from projector.quarantine_store import ParkedUser, QuarantinedUser, QuarantineStore
from projector.settings import ProjectorSettings
from runtime.settings import load
from runtime.startup import StartupError
from user_directory_events.timestamps import from_milliseconds

DONE, STILL_WAITING = 0, 1

_POLL_SECONDS = 0.1


def main(arguments: Sequence[str]) -> int:
    """Run the command; return the exit status: 0, or 1 if a user still waits or was not there.

    Raises:
        StartupError: Redis or Kafka cannot be used, or what is asked for makes no sense.
    """
    asked = _parser().parse_args(arguments)
    settings = load(ProjectorSettings)
    store = QuarantineStore(settings)
    try:
        match asked.command:
            case "list":
                return _list(store, asked.json)
            case "show":
                return _show(store, asked.user.lower(), asked.json, asked.data)
            case "replay":
                return _replay(settings, store, asked)
            case _:
                return _discard(settings, store, asked)
    except RedisError as error:
        raise StartupError(f"Redis at REDIS_URL does not answer ({type(error).__name__}): set REDIS_URL") from error
    finally:
        store.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m projector quarantine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--json", action="store_true", help="print JSON")
    deciding = argparse.ArgumentParser(add_help=False)
    deciding.add_argument(
        "--wait", type=float, default=30, metavar="SECONDS", help="how long to wait for the projector (default: 30)"
    )
    commands.add_parser("list", parents=[every], help="who waits, since when, how many events, and why")
    show = commands.add_parser("show", parents=[every], help="the events of a user that wait, in order")
    show.add_argument("user", help="the user's id")
    show.add_argument("--data", action="store_true", help="with what they hold, which may be personal data")
    replay = commands.add_parser(
        "replay", parents=[every, deciding], help="try the waiting events again, after a release that can apply them"
    )
    replay.add_argument("users", nargs="*", metavar="user", help="the users' ids")
    replay.add_argument("--all", action="store_true", help="of every user in quarantine")
    discard = commands.add_parser(
        "discard",
        parents=[every, deciding],
        help="let events change nothing, for ever; versions, history and verdicts stay as they are",
    )
    discard.add_argument("user", help="the user's id")
    discard.add_argument("events", nargs="*", metavar="event", help="ids of events that wait, see show")
    discard.add_argument("--all", action="store_true", help="all that wait now")
    return parser


def _list(store: QuarantineStore, as_json: bool) -> int:
    users = store.users()
    if as_json:
        _print_json([_described(user) for user in users])
    elif not users:
        print("nobody is in quarantine")
    else:
        print(f"{'user':36}  {'since':24}  {'events':>6}  reason")
        for user in users:
            since = from_milliseconds(user.parked.since)
            print(f"{user.parked.user_id:36}  {since:24}  {user.waiting:6}  {user.parked.reason}")
    return DONE


def _show(store: QuarantineStore, user_id: str, as_json: bool, with_data: bool) -> int:
    found = store.user(user_id)
    if found is None:
        return _nobody(user_id, as_json)
    if as_json:
        _print_json(_described(found.user) | {"events": _events(found, with_data)})
        return DONE
    user = found.user
    print(f"user {user_id}: the document shows version {user.shown_version} of {user.version}")
    print(f"since {from_milliseconds(user.parked.since)}: {user.parked.reason}")
    for event in _events(found, with_data):
        print(f"{event['sequence']:8}  {event['id']}  {event['recorded_at']}  {event['schema']}")
        if with_data:
            print(f"{'':8}  {json.dumps(event['data'], ensure_ascii=False)}")
    return DONE


def _replay(settings: ProjectorSettings, store: QuarantineStore, asked: argparse.Namespace) -> int:
    if asked.all == bool(asked.users):
        raise StartupError("name the users to replay, or say --all")
    wanted = [user.parked.user_id for user in store.users()] if asked.all else [user.lower() for user in asked.users]
    waiting = [user for user in wanted if store.user(user) is not None]
    if absent := [user for user in wanted if user not in waiting and not asked.all]:
        raise StartupError(f"not in quarantine: {', '.join(absent)}; nothing was decided")
    with decision_log(settings, store.live().log_id) as log:
        appended = [log.replay(user) for user in waiting]
    return _outcome(store, appended, asked)


def _discard(settings: ProjectorSettings, store: QuarantineStore, asked: argparse.Namespace) -> int:
    if asked.all == bool(asked.events):
        raise StartupError("name the events to discard, or say --all")
    user_id = asked.user.lower()
    found = store.user(user_id)
    if found is None:
        return _nobody(user_id, asked.json)
    waiting = [event.event_id for event in found.events]
    wanted = waiting if asked.all else [event.lower() for event in asked.events]
    if strange := [event for event in wanted if event not in waiting]:
        raise StartupError(f"do not wait: {', '.join(strange)}; nothing was discarded")
    with decision_log(settings, store.live().log_id) as log:
        appended = log.discard(user_id, wanted)
    return _outcome(store, [appended], asked)


def _outcome(store: QuarantineStore, appended: Sequence[Appended], asked: argparse.Namespace) -> int:
    """Wait until the projector has carried the decisions out, and say what they led to."""
    deadline = time.monotonic() + asked.wait
    for decision in appended:
        while store.position(decision.partition) <= decision.offset:
            if time.monotonic() > deadline:
                raise StartupError(
                    f"the decision is in the log, but no projector has come to it within {asked.wait:g} s: "
                    "it counts as soon as one does; see /readyz of the projectors"
                )
            time.sleep(_POLL_SECONDS)
    left = [(decision.user_id, store.user(decision.user_id)) for decision in appended]
    if asked.json:
        _print_json(
            [{"user_id": user, "released": True} if found is None else _described(found.user) for user, found in left]
        )
    else:
        for user, found in left:
            print(
                f"{user}: released"
                if found is None
                else f"{user}: {found.user.waiting} events wait at version {found.user.parked.sequence}: "
                f"{found.user.parked.reason}"
            )
    return DONE if all(found is None for _, found in left) else STILL_WAITING


def _nobody(user_id: str, as_json: bool) -> int:
    if as_json:
        _print_json(None)
    else:
        print(f"{user_id} is not in quarantine", file=sys.stderr)
    return STILL_WAITING


def _described(user: ParkedUser) -> dict[str, Any]:
    return {
        "user_id": user.parked.user_id,
        "since": from_milliseconds(user.parked.since),
        "reason": user.parked.reason,
        "stands_at": user.parked.sequence,
        "shown_version": user.shown_version,
        "version": user.version,
        "waiting": user.waiting,
    }


def _events(found: QuarantinedUser, with_data: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": event.event_id,
            "sequence": event.sequence,
            "schema": event.schema,
            "recorded_at": from_milliseconds(event.timestamp),
            "offset": event.offset,
            **({"data": json.loads(event.data)} if with_data else {}),
        }
        for event in found.events
    ]


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))
