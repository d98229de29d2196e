"""How the directory's errors are answered."""

from typing import Any, Final

import falcon.asgi

from query_api.directory import (
    DirectoryError,
    InQuarantine,
    NoSuchVersion,
    NotYetVisible,
    Unavailable,
    UserGone,
    UserNotFound,
    WrongToken,
)
from runtime import problems
from runtime.problems import Problem
from user_directory_events import UnknownSchema

_PROBLEMS: Final[dict[type[DirectoryError], str]] = {
    UserNotFound: "user-not-found",
    UserGone: "user-deleted",
    NoSuchVersion: "user-version-not-found",
    InQuarantine: "user-in-quarantine",
    Unavailable: "service-unavailable",
    NotYetVisible: "not-yet-visible",
    WrongToken: "invalid-consistency-token",
}


async def answer(
    _req: falcon.asgi.Request, resp: falcon.asgi.Response, error: DirectoryError, _params: dict[str, Any], **_: Any
) -> None:
    """Answer with the problem of the error; an error handler of Falcon."""
    problems.render(resp, Problem(_PROBLEMS[type(error)], str(error)))


async def answer_to_newer(
    _req: falcon.asgi.Request, resp: falcon.asgi.Response, _error: UnknownSchema, _params: dict[str, Any], **_: Any
) -> None:
    """Answer where a past holds an event of a newer release, as it does while one is rolled out or back."""
    problems.render(resp, Problem("service-unavailable", problems.OF_A_NEWER_RELEASE))
