"""Check, by reading only, that a registration did what its answers said: nothing lost, doubled or left unexplained."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final
from urllib.parse import quote

from benchmarks.patient_client import GaveUp, PatientClient
from benchmarks.registration import Crowd, Failed, Invalid, Outcome, Registered, Registration, Taken
from read_models.consistency import ConsistencyToken
from user_directory_events import comparable_email

_LIMIT: Final = 500
_WAIT: Final = {"Prefer": "wait=10"}

User = dict[str, Any]


class WrongAnswer(Exception):
    """A read was answered in a way that it never may be."""


@dataclass(slots=True)
class Findings:
    """What holds, as counts, and what does not, as sentences that name nobody."""

    equal: int = 0
    owned: int = 0
    told_why: int = 0
    listed: int = 0
    words: int = 0
    found: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def list_everybody(client: PatientClient, token: str | None = None) -> list[User]:
    """Return all users of the directory, page by page.

    Raises:
        WrongAnswer: a page was refused.
        GaveUp: a page did not come.
    """
    return _pages(client, "", token)


def _pages(client: PatientClient, query: str, token: str | None) -> list[User]:
    headers = {**_WAIT, "Consistency-Token": token} if token else {}
    users: list[User] = []
    cursor = ""
    while True:
        answer = client.ask("GET", f"/users?limit={_LIMIT}{query}{cursor}", headers=headers)
        if answer.status != 200:
            raise WrongAnswer(f"a page of the list was answered {answer.status}")
        page = answer.json()
        users += page["items"]
        if page["next"] is None:
            return users
        cursor = f"&cursor={quote(page['next'])}"


def check(registration: Registration, crowd: Crowd, before: Iterable[User]) -> Findings:
    """Compare each outcome with what the query API shows; `before` are the users who were there before."""
    findings = Findings()
    outcomes = registration.outcomes
    ours = {one.user_id for one in outcomes if isinstance(one, Registered)}
    told_of = ours | {user["id"] for user in before}
    token = _merged([one.token for one in outcomes if isinstance(one, Registered)])

    def look(client: PatientClient, outcome: Outcome) -> str | None:
        try:
            return _fault(client, outcome, token, told_of)
        except GaveUp as error:
            return f"not read: {error.what}"

    for outcome, fault in zip(outcomes, crowd.each(look, outcomes), strict=True):
        if fault is not None:
            findings.faults[fault] += 1
        findings.equal += fault is None and isinstance(outcome, Registered)
        findings.owned += fault is None and isinstance(outcome, Taken)
        findings.told_why += fault is None and isinstance(outcome, Invalid)
    try:
        everybody = crowd.each(lambda client, _: list_everybody(client, token), [None])[0]
    except (GaveUp, WrongAnswer) as error:
        findings.faults[str(error)] += 1
    else:
        _check_list(everybody, ours, told_of, _addresses(outcomes), findings)
    _check_search(outcomes, crowd, token, findings)
    findings.faults = +findings.faults  # without the zeros
    return findings


def _merged(tokens: Sequence[str]) -> str | None:
    """Return one token that shows what each of them shows."""
    if not tokens:
        return None
    return reduce(lambda merged, token: str(ConsistencyToken.parse(f"{merged},{token}")), tokens)


def _fault(client: PatientClient, outcome: Outcome, token: str | None, told_of: set[str]) -> str | None:
    match outcome:
        case Registered():
            return _registered(client, outcome)
        case Taken():
            return _taken(client, outcome, token, told_of)
        case Failed(what=what):
            return f"not registered and not refused: {what}"
        case Invalid():
            return None


def _registered(client: PatientClient, outcome: Registered) -> str | None:
    headers = {**_WAIT, "Consistency-Token": outcome.token}
    answer = client.ask("GET", f"/users/{outcome.user_id}", headers=headers)
    if answer.status != 200:
        return f"accepted, and read by id: {answer.status}"
    user = answer.json()
    if not _equal(user, outcome):
        return "accepted, and read back different"
    if answer.headers.get("ETag") != f'"{user["version"]}"':
        return "accepted, and read back with an ETag of another version"
    address = quote(outcome.person.address)
    answer = client.ask("GET", f"/users?email={address}", headers=headers)
    if answer.status != 200 or answer.json()["items"] != [user]:
        return "accepted, and not the one found by e-mail"
    return None


def _equal(user: User, outcome: Registered) -> bool:
    name, address = (unicodedata.normalize("NFC", text) for text in outcome.person)
    expected = {"id": outcome.user_id, "email": address, "name": {"formatted": name}, "status": "active", "version": 1}
    return {key: user.get(key) for key in expected} == expected


def _taken(client: PatientClient, outcome: Taken, token: str | None, told_of: set[str]) -> str | None:
    headers = {**_WAIT, "Consistency-Token": token} if token else {}
    answer = client.ask("GET", f"/users?email={quote(outcome.person.address)}", headers=headers)
    if answer.status != 200:
        return f"refused as a repeated address, and the owner is read: {answer.status}"
    owners = answer.json()["items"]
    if len(owners) != 1:
        return f"refused as a repeated address, which {len(owners)} users own"
    if comparable_email(owners[0]["email"]) != comparable_email(outcome.person.address):
        return "refused as a repeated address, and the owner has another one"
    if owners[0]["id"] not in told_of:
        return "refused as a repeated address, which a user owns whom no answer has told of"
    return None


def _check_search(outcomes: Sequence[Outcome], crowd: Crowd, token: str | None, findings: Findings) -> None:
    """Search for each word of each name, as it is spelled, and expect everybody who has it."""
    owners: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if isinstance(outcome, Registered):
            for word in outcome.person.name.split():
                if any(map(str.isalnum, word)):
                    owners[word].add(outcome.user_id)

    def search(client: PatientClient, word: str) -> set[str]:
        try:
            return {user["id"] for user in _pages(client, f"&fields=id&q={quote(word)}", token)}
        except (GaveUp, WrongAnswer):
            return set()

    words = sorted(owners)
    findings.words = len(words)
    for word, ids in zip(words, crowd.each(search, words), strict=True):
        findings.found += owners[word] <= ids
        findings.faults["registered, and not found by a word of the name"] += len(owners[word] - ids)


def _addresses(outcomes: Sequence[Outcome]) -> set[str]:
    return {comparable_email(one.person.address) for one in outcomes if isinstance(one, Registered | Taken)}


def _check_list(
    everybody: Sequence[User], ours: set[str], told_of: set[str], addresses: set[str], findings: Findings
) -> None:
    times = Counter(user["id"] for user in everybody)
    findings.faults["listed more than once"] += sum(count - 1 for count in times.values())
    findings.faults["accepted, and not listed"] += len(ours - times.keys())
    findings.listed = sum(times[user_id] == 1 for user_id in ours)
    owners: dict[str, set[str]] = defaultdict(set)
    for user in everybody:
        owners[comparable_email(user["email"])].add(user["id"])
    findings.faults["address with two owners"] += sum(len(ids) - 1 for ids in owners.values())
    findings.faults["address whose owner no answer has told of"] += sum(
        not owners[address] <= told_of for address in addresses
    )
