"""Did every read show what was, nothing of the future, and nothing older than its tokens?"""

from collections.abc import Iterator
from typing import Any

from tests.faults.checker.story import Story
from tests.faults.driver.history import Operation

_OK, _GONE, _NOT_FOUND = 200, 410, 404


def check(story: Story) -> Iterator[str]:
    """Name every read that showed what it must not."""
    for operation in story.operations:
        if operation.action == "read" and operation.status in (_OK, _GONE, _NOT_FOUND):
            yield from _check_read(story, operation)
        elif operation.action == "find" and operation.status == _OK:
            yield from _check_find(story, operation)


def _check_read(story: Story, read: Operation) -> Iterator[str]:
    assert read.user is not None
    shown = 0
    if read.status == _OK:
        shown = read.body["version"]
        yield from _check_document(story, read, read.body)
    elif read.status == _GONE:
        versions = story.told.users.get(read.user, [])
        if not versions or versions[-1].document is not None or story.began(versions[-1]) > read.returned:
            yield f"read {read.id}: user {read.user} was not deleted"
        shown = len(versions)
    floor = max((floor for user, floor in _floors(story, read) if user == read.user), default=0)
    if shown < floor:
        yield f"read {read.id}: version {shown} of {read.user}, though its token had seen {floor}"


def _check_find(story: Story, find: Operation) -> Iterator[str]:
    email = find.arguments["email"]
    shown = {document["id"]: document for document in find.body["items"]}
    for document in shown.values():
        yield from _check_document(story, find, document)
        if document["email"] != email:
            yield f"find {find.id}: {document['id']} has another address than {email}"
    for user, floor in _floors(story, find):
        if user in shown:
            if shown[user]["version"] < floor:
                yield f"find {find.id}: version {shown[user]['version']} of {user}, though its token had seen {floor}"
            continue
        since = story.told.users.get(user, [])[floor - 1 :]
        if since and all((v.document or {}).get("email") == email or story.began(v) > find.returned for v in since):
            yield f"find {find.id}: {user} is missing, though its token had seen {floor}"


def _check_document(story: Story, operation: Operation, document: dict[str, Any]) -> Iterator[str]:
    version = story.told.at(document["id"], document["version"])
    if version is None or version.document != document:
        yield f"{operation.action} {operation.id}: showed {document}, which never was"
    elif story.began(version) > operation.returned:
        yield f"{operation.action} {operation.id}: showed version {version.number} of {document['id']} before its time"


def _floors(story: Story, operation: Operation) -> Iterator[tuple[str, int]]:
    """Return of which users the operation's tokens had seen which version."""
    for seen in operation.arguments["seen"]:
        source = story.by_id[seen]
        user = source.user
        if isinstance(source.body, dict) and "email" in source.body:
            user = source.body["id"]
        floor = story.version_shown(source)
        if user is not None and floor:
            yield user, floor
