"""`show`: every event of one user in the log, with its verdict, and what they make of the user."""

import argparse
import json
import sys

from user_directory_events.cli.rendering import as_line, as_object
from user_directory_events.history import History
from user_directory_events.log_verdicts import Judged
from user_directory_events.partitions import partition_of
from user_directory_events.user import CannotEvolve, Gone, User, UserState, evolve
from user_directory_events.user_events import UserEvent


def run(options: argparse.Namespace) -> int:
    """Read the user's partition from its beginning: a verdict depends on all that was before."""
    kafka_options = dict(options.kafka_options)
    with History(options.bootstrap_servers, topic=options.events_topic, partitions=set(), **kafka_options) as whole:
        count = whole.partition_count
    partition = partition_of(options.user, count)
    state: UserState = None
    found = 0
    with History(
        options.bootstrap_servers, topic=options.events_topic, partitions={partition}, **kafka_options
    ) as history:
        for judged in history.to_the_end():
            event = judged.record
            if not isinstance(event, UserEvent) or event.subject != options.user:
                continue
            found += 1
            note = _note(judged)
            if judged.accepted:
                try:
                    state = evolve(state, event)
                except CannotEvolve as fault:
                    note = f"accepted, but does not fit: {fault}"
            _print_event(event, judged, note, as_json=options.json)
    if not found:
        print(f"user_directory_events: the log has no event of user {options.user}", file=sys.stderr)
        return 1
    _print_state(state, as_json=options.json)
    return 0


def _note(judged: Judged) -> str:
    if judged.duplicate:
        return "a later copy"
    return judged.verdict.value if judged.verdict is not None else ""


def _print_event(event: UserEvent, judged: Judged, note: str, *, as_json: bool) -> None:
    if as_json:
        place = {"partition": judged.partition, "offset": judged.offset, "verdict": note}
        print(json.dumps({**place, "event": as_object(event)}, ensure_ascii=False))
    else:
        print(f"{judged.partition}-{judged.offset:<8} {note:<15} {as_line(event)}")


def _print_state(state: UserState, *, as_json: bool) -> None:
    document = json.loads(state.to_json()) if isinstance(state, User) else None
    if as_json:
        print(json.dumps({"user": document}, ensure_ascii=False))
    elif document is not None:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print(("erased" if state.erased else "deleted") if isinstance(state, Gone) else "no event was accepted")
