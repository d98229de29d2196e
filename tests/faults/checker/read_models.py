"""Do the read models, and the public verdict rules, say at the end what the log says?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults.checker.naive_log import Told
from tests.faults.driver.evidence import Evidence, ReadModels, Record
from user_directory_events import PartitionFold, decode

_OK, _GONE, _NOT_FOUND = 200, 410, 404


def check(told: Told, evidence: Evidence) -> Iterator[str]:
    """Name every difference."""
    last = {user: versions[-1].document for user, versions in told.users.items()}
    there = {user: document for user, document in last.items() if document is not None}
    models = evidence.models
    yield from _differences("export", {d["id"]: d for d in models.exported}, there)
    yield from _differences("list", {d["id"]: d for d in models.listed}, there)
    yield from _differences("Redis", models.in_redis, last)
    for name, items in (("export", models.exported), ("list", models.listed)):
        if len(items) != len({document["id"] for document in items}):
            yield f"{name}: shows a user twice"
    if models.count != len(there):
        yield f"count: {models.count} instead of {len(there)}"
    yield from _check_single(last, models)
    yield from _check_owners(there, models)
    yield from _check_histories(told, models)
    yield from _check_public_rules(told, evidence.log)


def _differences(name: str, shown: dict[str, Any], right: dict[str, Any]) -> Iterator[str]:
    for user in sorted(shown.keys() | right.keys()):
        if shown.get(user, "missing") != right.get(user, "missing"):
            yield f"{name}: {user} is {shown.get(user, 'missing')} instead of {right.get(user, 'missing')}"


def _check_single(last: dict[str, Any], models: ReadModels) -> Iterator[str]:
    for user, (status, body) in models.documents.items():
        wanted = _NOT_FOUND if user not in last else _GONE if last[user] is None else _OK
        if status != wanted or (status == _OK and body != last[user]):
            yield f"GET {user}: {status} {body} instead of {wanted} {last.get(user)}"


def _check_owners(there: dict[str, Any], models: ReadModels) -> Iterator[str]:
    right: dict[str, list[str]] = defaultdict(list)
    for user, document in there.items():
        right[document["email"]].append(user)
    for address, documents in models.owners.items():
        if [document["id"] for document in documents] != right[address]:
            yield f"owner of {address}: {[d['id'] for d in documents]} instead of {right[address]}"


def _check_histories(told: Told, models: ReadModels) -> Iterator[str]:
    for user, items in models.histories.items():
        shown = [(item["version"], item["event_id"], item["type"]) for item in items]
        right = [(v.number, v.event["id"], v.event["type"]) for v in told.users.get(user, [])]
        if shown != right:
            yield f"history of {user}: {shown} instead of {right}"


def _check_public_rules(told: Told, log: Sequence[Record]) -> Iterator[str]:
    folds: dict[int, PartitionFold] = defaultdict(PartitionFold)
    for record in log:
        if record.value is not None:
            folds[record.partition].apply(decode(record.value.encode()), record.timestamp)
    by_rules = {
        user: [event.id for event in users.accepted]
        for fold in folds.values()
        for user, users in fold.users.items()
        if users.accepted
    }
    by_naive_fold = {user: [version.event["id"] for version in versions] for user, versions in told.users.items()}
    yield from _differences("verdict rules", by_rules, by_naive_fold)
