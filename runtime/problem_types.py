"""Every kind of problem that the APIs answer with: the one place that maps an error to an HTTP status.

docs/problem-types.md is generated from this registry.
"""

from dataclasses import dataclass
from typing import Final

TYPE_PREFIX: Final = "urn:user-directory:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: what it is called on the wire, its HTTP status, and what a client should make of it."""

    slug: str
    status: int
    title: str
    meaning: str
    retry_after: int | None = None

    @property
    def uri(self) -> str:
        """Give the `type` member of the problem document."""
        return TYPE_PREFIX + self.slug


_TYPES = (
    ProblemType("malformed-request", 400, "This is no HTTP request", "What was sent is not HTTP/1.1 by RFC 9112."),
    ProblemType(
        "malformed-json",
        400,
        "The body is not valid JSON",
        "Not JSON by RFC 8259, not UTF-8, a repeated member name, NaN or Infinity, a number or a nesting out of range, "
        "or a lone surrogate. `errors` points at the place where there is one.",
    ),
    ProblemType(
        "malformed-csv",
        400,
        "The row is not valid CSV",
        "Not CSV by RFC 4180, not UTF-8, or another number of cells than the first row has.",
    ),
    ProblemType(
        "invalid-request",
        400,
        "The request is not valid",
        "The body is JSON but not what the operation takes. `errors` has one entry for each fault.",
    ),
    ProblemType(
        "invalid-parameter",
        400,
        "A parameter is not valid",
        "A query or path parameter has a value that it cannot have, or is not known. `errors` names it.",
    ),
    ProblemType("invalid-cursor", 400, "The cursor is not valid", "Start again from the first page, without a cursor."),
    ProblemType(
        "invalid-consistency-token",
        400,
        "The consistency token is not valid",
        "Send `Consistency-Token` exactly as it was received, or leave it out.",
    ),
    ProblemType(
        "invalid-event-id",
        400,
        "The event id is not valid",
        "Send `Last-Event-ID` exactly as the change feed gave it, or leave it out.",
    ),
    ProblemType(
        "precondition-invalid",
        400,
        "The precondition is not valid",
        "`If-Match` or `If-None-Match` has a form that this operation does not take.",
    ),
    ProblemType(
        "idempotency-key-invalid",
        400,
        "The idempotency key is not valid",
        "`Idempotency-Key` has a form or a length that is not allowed.",
    ),
    ProblemType(
        "authorization-repeated",
        400,
        "There is more than one Authorization header",
        "Send one `Authorization: Bearer <token>`.",
    ),
    ProblemType(
        "token-required",
        401,
        "A token is required",
        "Send `Authorization: Bearer <token>`; `WWW-Authenticate` says which scope the operation asks for.",
    ),
    ProblemType(
        "invalid-token",
        401,
        "The token is not accepted",
        "It has expired, is not of this directory's issuer, not for this directory, or damaged. Get a new one.",
    ),
    ProblemType(
        "insufficient-scope",
        403,
        "The token does not allow this",
        "The token lacks the scope that `WWW-Authenticate` names, or the operation is one that nobody may carry out.",
    ),
    ProblemType("not-found", 404, "There is nothing here", "No operation has this path."),
    ProblemType("user-not-found", 404, "There is no such user", "No user has this id."),
    ProblemType(
        "user-version-not-found",
        404,
        "The user has no such version",
        "There is or was such a user, who never had this version or was not registered yet at this time.",
    ),
    ProblemType("invalid-write-token", 404, "There is no such write", "This service did not issue the write token."),
    ProblemType("method-not-allowed", 405, "The method is not allowed", "`Allow` lists the methods of this path."),
    ProblemType(
        "not-acceptable", 406, "No acceptable representation", "`Accept` excludes JSON, which is all that is offered."
    ),
    ProblemType(
        "request-timeout",
        408,
        "The client was too slow",
        "The rest of the request did not arrive in time. Of an import, what was read before is answered row by row.",
    ),
    ProblemType(
        "value-taken",
        409,
        "The value belongs to another user",
        "E-mail address or external id are unique; `errors` points at the one that another user has.",
    ),
    ProblemType(
        "id-taken", 409, "The id is taken", "A user was registered under this id before; it is never given out again."
    ),
    ProblemType("user-deleted", 410, "The user was deleted", "The user existed and was deleted."),
    ProblemType(
        "version-mismatch",
        412,
        "The user has another version",
        "The precondition does not hold: someone else changed the user. Read it again and decide anew.",
    ),
    ProblemType("body-too-large", 413, "The body is too large", "The body is longer than the service accepts."),
    ProblemType("uri-too-long", 414, "The URL is too long", "A URL has at most 8,192 bytes."),
    ProblemType(
        "unsupported-media-type",
        415,
        "The media type is not supported",
        "`Content-Type` is missing or not one of those that `Accept` in the answer lists, or the body is compressed.",
    ),
    ProblemType(
        "idempotency-key-reused",
        422,
        "The idempotency key was used for another request",
        "An idempotency key stands for one request; use a fresh key for a different one.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "More requests came than `RateLimit-Policy` allows; nothing was done. Try again after `Retry-After`.",
        retry_after=1,
    ),
    ProblemType(
        "headers-too-large",
        431,
        "The headers are too large",
        "A request has at most 100 headers, with 32,768 bytes together.",
    ),
    ProblemType(
        "internal-error",
        500,
        "Something went wrong here",
        "A fault of the service. The log has it under the request id.",
    ),
    ProblemType(
        "service-unavailable",
        503,
        "The service is not available",
        "Something that the service needs is down or not ready; nothing was changed. Try again after `Retry-After`.",
        retry_after=1,
    ),
    ProblemType(
        "user-in-quarantine",
        503,
        "The user waits for a repair",
        "An event of this user could not be applied, so what the user is now is not known until an operator has "
        "repaired it. Other users are not concerned. Nothing was changed. Try again after `Retry-After`.",
        retry_after=30,
    ),
    ProblemType(
        "not-yet-visible",
        503,
        "The requested state is not visible yet",
        "The read model has not reached the consistency token within the time to wait. Try again after `Retry-After`.",
        retry_after=1,
    ),
)

PROBLEM_TYPES: Final[dict[str, ProblemType]] = {problem_type.slug: problem_type for problem_type in _TYPES}
