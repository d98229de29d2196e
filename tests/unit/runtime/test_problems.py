import logging
from typing import Any

import falcon
import falcon.asgi
import pytest
from falcon.testing import TestClient
from pydantic import BaseModel, ValidationError

from runtime import problems
from runtime.problems import PROBLEM_TYPES, FieldError, Problem


class _Raises:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"half": "written"}
        raise self._error


def _client(error: Exception) -> TestClient:
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    problems.install(app)
    app.add_route("/", _Raises(error))
    return TestClient(app)


def test_a_problem_is_answered_with_its_document() -> None:
    error = Problem(
        "value-taken",
        "The address is taken.",
        errors=[FieldError("/email", "belongs to another user"), FieldError("", "is wrong", parameter="limit")],
        headers={"X-More": "1"},
        extensions={"extra": 7},
    )
    answer = _client(error).simulate_get("/")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-more"] == "1"
    assert answer.json == {
        "type": "urn:user-directory:problem:value-taken",
        "title": PROBLEM_TYPES["value-taken"].title,
        "status": 409,
        "detail": "The address is taken.",
        "errors": [
            {"pointer": "/email", "detail": "belongs to another user"},
            {"parameter": "limit", "detail": "is wrong"},
        ],
        "extra": 7,
    }


@pytest.mark.parametrize("slug", ["service-unavailable", "not-yet-visible"])
def test_a_503_says_when_to_try_again(slug: str) -> None:
    assert _client(Problem(slug, "Later.")).simulate_get("/").headers["retry-after"] == "1"


def test_retry_after_can_be_chosen() -> None:
    error = Problem("service-unavailable", "Later.", headers={"Retry-After": "7"})
    assert _client(error).simulate_get("/").headers["retry-after"] == "7"


@pytest.mark.parametrize("error", [RuntimeError("john@example.com"), KeyError("x")])
def test_an_unforeseen_error_is_a_500_that_is_logged_and_tells_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = _client(error).simulate_get("/")
    assert (answer.status_code, answer.json["type"]) == (500, "urn:user-directory:problem:internal-error")
    assert "john" not in answer.text
    assert "half" not in answer.text
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_document_of_ours_that_fits_no_model_is_our_fault() -> None:
    class Model(BaseModel):
        x: int

    with pytest.raises(ValidationError) as caught:
        Model.model_validate({})
    assert _client(caught.value).simulate_get("/").status_code == 500


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (falcon.HTTPNotFound(), "not-found"),
        (falcon.HTTPNotAcceptable(), "not-acceptable"),
        (falcon.HTTPContentTooLarge(), "body-too-large"),
        (falcon.HTTPUnsupportedMediaType(), "unsupported-media-type"),
        (falcon.HTTPInvalidHeader("bad", "X"), "invalid-request"),
    ],
)
def test_falcons_own_errors_are_problems_of_ours(error: falcon.HTTPError, slug: str) -> None:
    answer = _client(error).simulate_get("/")
    assert answer.status_code == error.status_code
    assert answer.json["type"] == PROBLEM_TYPES[slug].uri
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_status_without_a_type_of_ours_is_about_blank() -> None:
    answer = _client(falcon.HTTPLocked()).simulate_get("/")
    assert answer.json == {"type": "about:blank", "title": "Locked", "status": 423}


def test_a_method_that_a_path_does_not_have_is_answered_with_allow() -> None:
    answer = _client(RuntimeError()).simulate_delete("/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, OPTIONS")
    assert answer.json["type"] == PROBLEM_TYPES["method-not-allowed"].uri


def test_an_unknown_slug_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Problem("no-such-type", "x")
