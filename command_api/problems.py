"""What each way in which a write can fail is answered with."""

from typing import Any

import falcon.asgi

from command_api.decide import FieldRefused, IdTaken, Refused, UserGone, UserNotFound, VersionMismatch
from command_api.event_log import EventLogUnavailable
from command_api.preconditions import InvalidPrecondition
from command_api.store import StoreUnavailable
from command_api.write_tokens import InvalidWriteToken
from command_api.writer import BudgetSpent, InQuarantine, KeyReused, TooManyWrites, ValueTaken
from runtime.http import App
from runtime.problems import OF_A_NEWER_RELEASE, FieldError, Problem, render
from user_directory_events import UnknownSchema

_NOTHING_CHANGED = "Nothing was changed; try again."

_FAILURES: tuple[type[Exception], ...] = (
    Refused,
    ValueTaken,
    KeyReused,
    InvalidPrecondition,
    InvalidWriteToken,
    EventLogUnavailable,
    StoreUnavailable,
    BudgetSpent,
    InQuarantine,
    TooManyWrites,
    UnknownSchema,
)


def install(app: App) -> None:
    """Answer every failure of a write with its problem."""
    for failure in _FAILURES:
        app.add_error_handler(failure, _answer)


async def _answer(
    _req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, _params: dict[str, Any]
) -> None:
    render(resp, problem_of(error))


def problem_of(error: Exception) -> Problem:  # noqa: C901 - a table, read from top to bottom
    """Return the problem that a failure is answered with."""
    match error:
        case UserNotFound():
            return Problem("user-not-found", "No user has this id.")
        case UserGone():
            return Problem("user-deleted", "The user was deleted.")
        case IdTaken():
            errors = [FieldError("/id", "was registered before")]
            return Problem("id-taken", "An id is never registered again.", errors=errors)
        case VersionMismatch(version=version):
            return Problem("version-mismatch", f"The user is at version {version}.", headers={"ETag": f'"{version}"'})
        case FieldRefused(pointer=pointer, detail=detail):
            return Problem("invalid-request", "The body has 1 fault.", errors=[FieldError(pointer, detail)])
        case ValueTaken(field=field):
            errors = [FieldError(f"/{field}", "belongs to another user")]
            return Problem("value-taken", f"Another user has this {field}.", errors=errors)
        case KeyReused():
            return Problem("idempotency-key-reused", "The Idempotency-Key stands for another request.")
        case InvalidPrecondition():
            return Problem("precondition-invalid", str(error))
        case InvalidWriteToken():
            return Problem("invalid-write-token", "This service did not make the token.")
        case EventLogUnavailable():
            return Problem("service-unavailable", f"The event log cannot be written now. {_NOTHING_CHANGED}")
        case StoreUnavailable():
            return Problem("service-unavailable", f"The read models cannot be used now: {error}. {_NOTHING_CHANGED}")
        case BudgetSpent():
            reason = "Other writes held what this one needs for too long."
            return Problem("service-unavailable", f"{reason} {_NOTHING_CHANGED}")
        case InQuarantine():
            return Problem("user-in-quarantine", f"An operator has to repair this user first. {_NOTHING_CHANGED}")
        case TooManyWrites():
            return Problem("service-unavailable", f"Too many writes are in hand. {_NOTHING_CHANGED}")
        case UnknownSchema():
            return Problem("service-unavailable", f"{OF_A_NEWER_RELEASE} {_NOTHING_CHANGED}")
    raise error
