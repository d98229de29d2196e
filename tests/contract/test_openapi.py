"""The OpenAPI documents of the running processes, held against what these answer.

The services must keep what they promise to whatever may be sent: a described status, media type, headers and document,
and a refusal of what the document does not allow.
"""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

import command_api.description
import query_api.description
from tests.sample_events import user_id
from tests.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow]

KNOWN_IDS = [user_id(number) for number in range(1, 9)]
# Else nearly every request would be about a user who does not exist.
schemathesis.openapi.format("uuid", st.sampled_from(KNOWN_IDS) | st.uuids().map(str))

COMMAND_API = schemathesis.openapi.from_dict(command_api.description.document())
QUERY_API = schemathesis.openapi.from_dict(query_api.description.document())

bounded = settings(max_examples=60, deadline=None, derandomize=True)


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


# What fits the schema may still be refused: an address without a domain, a taken value, a cursor that nobody made.
@COMMAND_API.parametrize()
@bounded
def test_the_command_api_answers_as_it_says(case: "schemathesis.Case[Any]", stack: Stack, users: None) -> None:
    case.call_and_validate(base_url=stack.command_url, excluded_checks=[positive_data_acceptance])


@QUERY_API.parametrize()
@bounded
def test_the_query_api_answers_as_it_says(case: "schemathesis.Case[Any]", stack: Stack, users: None) -> None:
    case.call_and_validate(base_url=stack.query_url, excluded_checks=[positive_data_acceptance])
