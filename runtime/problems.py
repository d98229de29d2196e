"""Problem documents (RFC 9457): what a request that cannot be served is answered with."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import falcon
import falcon.asgi
import orjson
from pydantic import ValidationError

from runtime import context
from runtime.problem_types import PROBLEM_TYPES, ProblemType

__all__ = ["MEDIA_TYPE", "OF_A_NEWER_RELEASE", "PROBLEM_TYPES", "FieldError", "Problem", "ProblemType", "install"]

MEDIA_TYPE: Final = "application/problem+json"
OF_A_NEWER_RELEASE: Final = "A newer release wrote what has to be read for this, and this process is of an older one."
"""The detail where a schema is not known here, as it happens while a release is rolled out or back."""
_INSTANCE_PREFIX: Final = "urn:user-directory:request:"
_FALCON_STATUS: Final = {
    400: "invalid-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
    415: "unsupported-media-type",
    503: "service-unavailable",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a request: where (a JSON pointer into the body, RFC 6901, or a parameter's name) and what."""

    pointer: str
    detail: str
    parameter: str | None = None

    def document(self) -> dict[str, str]:
        """Give the entry of the problem document's `errors`."""
        if self.parameter is not None:
            return {"parameter": self.parameter, "detail": self.detail}
        return {"pointer": self.pointer, "detail": self.detail}


class Problem(Exception):
    """A request that cannot be served; raised anywhere below a responder, answered by `install`'s handler.

    `slug` is a key of `PROBLEM_TYPES`, which decides status and title. `detail` is a sentence about this occurrence,
    `extensions` are further members of the document.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type: Final = PROBLEM_TYPES[slug]
        self.detail: Final = detail
        self.errors: Final = tuple(errors)
        self.headers: Final = dict(headers or {})
        self.extensions: Final = dict(extensions or {})
        if self.type.retry_after is not None:
            self.headers.setdefault("Retry-After", str(self.type.retry_after))

    @property
    def slug(self) -> str:
        """Name the problem type."""
        return self.type.slug

    @property
    def status(self) -> int:
        """Give the HTTP status."""
        return self.type.status

    def document(self) -> dict[str, Any]:
        """Build the problem document's members."""
        members: dict[str, Any] = {
            "type": self.type.uri,
            "title": self.type.title,
            "status": self.type.status,
            "detail": self.detail,
        }
        if request_id := context.request_id.get():
            members["instance"] = _INSTANCE_PREFIX + request_id
        if self.errors:
            members["errors"] = [error.document() for error in self.errors]
        return members | self.extensions


def install(app: "falcon.asgi.App[Any, Any]") -> None:
    """Make the app answer every failure with a problem document; an unforeseen one is logged with its traceback."""
    app.add_error_handler(Exception, _unforeseen)
    app.add_error_handler(falcon.HTTPError, _falcon_error)
    app.add_error_handler(ValidationError, _invalid)
    app.add_error_handler(Problem, _problem)


def render(resp: falcon.asgi.Response, problem: Problem) -> None:
    """Turn a response into the problem's."""
    _answer(resp, problem.status, problem.document(), problem.headers)


def _answer(
    resp: falcon.asgi.Response, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None
) -> None:
    resp.status = status
    resp.text = None
    resp.media = None
    resp.stream = None
    resp.data = orjson.dumps(document)
    resp.content_type = MEDIA_TYPE
    if headers:
        resp.set_headers(headers)


async def _problem(
    _req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Problem, _params: dict[str, Any], **_: Any
) -> None:
    render(resp, error)


async def _invalid(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ValidationError, params: dict[str, Any], **_: Any
) -> None:
    # Requests are validated with json_body.validate, so here a document of our own does not fit its model.
    await _unforeseen(req, resp, error, params)


async def _falcon_error(
    _req: falcon.asgi.Request, resp: falcon.asgi.Response, error: falcon.HTTPError, _params: dict[str, Any], **_: Any
) -> None:
    headers = dict(error.headers or {})
    slug = _FALCON_STATUS.get(error.status_code)
    if slug is not None:
        detail = error.description or PROBLEM_TYPES[slug].meaning
        render(resp, Problem(slug, detail, headers=headers))
        return
    # A status that no rule of ours gives: RFC 9457 has `about:blank` for "nothing beyond the status code".
    document = {"type": "about:blank", "title": HTTPStatus(error.status_code).phrase, "status": error.status_code}
    _answer(resp, error.status_code, document, headers)


async def _unforeseen(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, _params: dict[str, Any], **_: Any
) -> None:
    # The template and not the path: a path may hold what a user typed.
    log.error("request failed", exc_info=error, extra={"method": req.method, "route": req.uri_template})
    render(resp, Problem("internal-error", "The request failed for a reason that is not its own."))
