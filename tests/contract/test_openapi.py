"""The OpenAPI documents of the running processes, held against what these answer.

The services must keep what they promise to whatever may be sent: a described status, media type, headers and document,
and a refusal of what the document does not allow.
"""

import itertools
import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

import command_api.description
import query_api.description
from command_api.import_resource import IMPORT_PATH
from tests.sample_events import user_id
from tests.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow]

EXAMPLE_ID = "0192d3a0-5b6c-7def-8123-456789abcdef"
KNOWN_IDS = [user_id(number) for number in range(1, 31)]
# Else nearly every request would be about a user who does not exist, or name an address that nobody can have.
schemathesis.openapi.format("uuid", st.sampled_from(KNOWN_IDS) | st.uuids().map(str))
schemathesis.openapi.format("idn-email", st.uuids().map(lambda unique: f"{unique.hex}@exämple.org"))

# Of what is too large it is not said what else is wrong with it.
REFUSED = ["400", "404", "405", "406", "409", "410", "412", "413", "414", "415", "422", "431", "5xx"]
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}})
COMMAND_API = schemathesis.openapi.from_dict(command_api.description.document(), config=CONFIG)
# HEAD goes through all faults of the change feed as well, and its answer has an end.
QUERY_API = schemathesis.openapi.from_dict(query_api.description.document(), config=CONFIG).exclude(
    path="/changes", method="GET"
)


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_it_is(_: Any, value: Any) -> bytes:
    """Send a file as the text that it is."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


bounded = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def users(stack: Stack) -> None:
    """Register the users whose ids the requests name."""
    with httpx.Client(base_url=stack.command_url, trust_env=False, timeout=15) as client:
        for known in KNOWN_IDS:
            body = {"email": f"{known}@example.org", "display_name": "Zoë", "attributes": {"none": None}}
            answer = client.put(f"/users/{known}", json=body, headers={"If-None-Match": "*"})
            assert answer.status_code == 201, answer.text


def test_the_documents_of_these_tests_are_those_of_the_services(stack: Stack) -> None:
    for url, description in ((stack.command_url, command_api.description), (stack.query_url, query_api.description)):
        assert httpx.get(f"{url}/openapi.json", trust_env=False).json() == description.document()


NUMBERS = itertools.count()


def be_able_to_succeed(case: "schemathesis.Case[Any]") -> None:
    """Give a request that fits the schema what the schema cannot say: a user who is there, a name, a fresh key."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    number = next(NUMBERS)
    headers, body, path = case.headers, case.body, case.path_parameters
    if path.get("user_id") in (*KNOWN_IDS, EXAMPLE_ID):
        path["user_id"] = KNOWN_IDS[number % len(KNOWN_IDS)]
    if case.method in ("POST", "PUT") and isinstance(body, dict):
        body["display_name"] = body.get("display_name") or "Zoë"
        body["email"] = f"{number}.{str(body['email'])[-200:]}"
    if "Idempotency-Key" in headers and number % 4:
        headers["Idempotency-Key"] = f"key-{number}"
    if "If-Match" in headers and "If-None-Match" in headers:
        del headers["If-Match" if number % 2 else "If-None-Match"]


# What fits the schema may still be refused: an address without a domain, a taken value, a cursor that nobody made.
@COMMAND_API.parametrize()
@bounded
def test_the_command_api_answers_as_it_says(case: "schemathesis.Case[Any]", stack: Stack, users: None) -> None:
    be_able_to_succeed(case)
    excluded: list[Any] = [positive_data_acceptance]
    if case.path == IMPORT_PATH:
        # Any text is a file: what is wrong with it is told row by row.
        excluded.append(negative_data_rejection)
    case.call_and_validate(base_url=stack.command_url, excluded_checks=excluded)


@QUERY_API.parametrize()
@bounded
def test_the_query_api_answers_as_it_says(case: "schemathesis.Case[Any]", stack: Stack, users: None) -> None:
    case.call_and_validate(base_url=stack.query_url, excluded_checks=[positive_data_acceptance])
