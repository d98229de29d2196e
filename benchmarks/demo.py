"""Register the maintainers of Debian's packages, thousands of real names, and check through the query API every one.

    python -m benchmarks.demo            against the running stack (`make run`)
    python -m benchmarks.demo --people FILE

Each run sends requests of its own: run again, it is told of every address that it is taken, and checks the owners. The
exit status is 1 when a check fails, 2 when there is nothing to run against.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks import maintainers
from benchmarks.maintainers import NoPackageLists, Person
from benchmarks.patient_client import GaveUp, PatientClient, Trouble
from benchmarks.registration import Crowd, Invalid, Registered, Registration, Taken, register_all
from benchmarks.registration_check import Findings, WrongAnswer, check, list_everybody
from devstack import settings
from devstack.errors import DevstackError
from devstack.state import StateFile

_DEFAULT_URLS: Final = {"command-api": "http://127.0.0.1:8001", "query-api": "http://127.0.0.1:8002"}
_FIRST_ANSWER_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 120.0

Say = Callable[[str], None]


class NotReady(Exception):
    """There is nothing to run against; the message is one line that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--people", type=Path, help="a file of `Name <address>` lines instead of apt's package lists")
    parser.add_argument("--writers", type=int, default=64, help="how many write at once (default: 64)")
    parser.add_argument("--command-url", default=_url("command-api", "COMMAND_API_URL"))
    parser.add_argument("--query-url", default=_url("query-api", "QUERY_API_URL"))
    asked = parser.parse_args(arguments)
    try:
        people = maintainers.from_file(asked.people) if asked.people else maintainers.from_apt()
        for url in (asked.command_url, asked.query_url):
            _expect_service(url)
        holds = run(people, asked.command_url, asked.query_url, writers=asked.writers)
    except (NoPackageLists, NotReady, GaveUp, WrongAnswer) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if holds else 1


def run(
    people: Sequence[Person],
    command_url: str,
    query_url: str,
    *,
    writers: int = 64,
    say: Say = print,
    on_outcome: Callable[[], None] = lambda: None,
) -> bool:
    """Register everybody, check, tell both; return whether all checks hold.

    Raises:
        GaveUp, WrongAnswer: the directory could not be listed beforehand.
    """
    trouble = Trouble()

    def crowd(url: str) -> Crowd:
        return Crowd(url, size=writers, patience_seconds=_PATIENCE_SECONDS, trouble=trouble)

    reader = PatientClient(query_url, patience_seconds=_PATIENCE_SECONDS, trouble=trouble)
    before = list_everybody(reader)
    reader.close()
    say(f"{len(people):,} people; the directory has {len(before):,} users.")
    say(f"Registering them with {writers} writers at {command_url} ...")
    registration = register_all(people, crowd(command_url), trouble, on_outcome)
    _tell_registration(registration, say)
    if trouble.counts:
        say(f"  tried again after: {_listed(trouble.counts)}")
        trouble.counts.clear()
    say(f"Checking every one at {query_url} ...")
    findings = check(registration, crowd(query_url), before)
    if trouble.counts:
        say(f"  tried again after: {_listed(trouble.counts)}")
    return _tell_findings(findings, registration, say)


def _tell_registration(registration: Registration, say: Say) -> None:
    outcomes = registration.outcomes
    kinds = Counter(type(outcome) for outcome in outcomes)
    say(f"  {kinds[Registered]:>7,} accepted")
    say(f"  {kinds[Taken]:>7,} refused: another user has the address")
    say(f"  {kinds[Invalid]:>7,} refused as invalid")
    reasons = Counter(reason for outcome in outcomes if isinstance(outcome, Invalid) for reason in outcome.reasons)
    for reason, count in reasons.most_common():
        say(f"          {count:,} x {reason}")
    durations = sorted(registration.durations)
    if durations:
        p50, p99 = (durations[int(len(durations) * share)] * 1000 for share in (0.5, 0.99))
        rate = len(outcomes) / registration.seconds
        say(f"  {rate:,.0f} writes/s for {registration.seconds:.1f} s; p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def _tell_findings(findings: Findings, registration: Registration, say: Say) -> bool:
    kinds = Counter(type(outcome) for outcome in registration.outcomes)
    say(f"  {findings.equal:>7,} of {kinds[Registered]:,} accepted ones read back equal, by id and by e-mail")
    say(f"  {findings.listed:>7,} of {kinds[Registered]:,} accepted ones found in the list exactly once")
    say(f"  {findings.found:>7,} of {findings.words:,} words of their names find everybody who has them")
    say(f"  {findings.owned:>7,} of {kinds[Taken]:,} repeated addresses belong to exactly one user")
    say(f"  {findings.told_why:>7,} of {kinds[Invalid]:,} invalid ones are told why")
    for fault, count in findings.faults.most_common():
        say(f"  WRONG: {count:,} x {fault}")
    say("All checks hold." if not findings.faults else "Checks FAILED.")
    return not findings.faults


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} x {what}" for what, count in counts.most_common())


def _expect_service(url: str) -> None:
    if not urlsplit(url).hostname:
        raise NotReady(f"{url!r} is no URL of a service: give one such as http://127.0.0.1:8001")
    client = PatientClient(url, patience_seconds=_FIRST_ANSWER_SECONDS, trouble=Trouble())
    try:
        client.ask("GET", "/readyz")
    except GaveUp as error:
        raise NotReady(f"Nothing is ready at {url} ({error}): start the stack with `make run`") from error
    finally:
        client.close()


def _url(process: str, variable: str) -> str:
    """Return where a service is: by the environment, by the state of the local stack, or by the default."""
    if given := os.environ.get(variable):
        return given
    try:
        state = StateFile(settings.from_environ().directory).read()
    except DevstackError:
        state = None
    running = {one.name: one.url for one in state.processes if one.alive} if state else {}
    return running.get(process, _DEFAULT_URLS[process])


if __name__ == "__main__":
    sys.exit(main())
