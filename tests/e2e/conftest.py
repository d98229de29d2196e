"""Clients of the shared stack, and users whom no other test knows."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.stack import Stack

Body = dict[str, Any]

TIMEOUT_SECONDS = 15


@pytest.fixture
def command(stack: Stack) -> Iterator[httpx.Client]:
    """Return a client of the command API."""
    with httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture
def query(stack: Stack) -> Iterator[httpx.Client]:
    """Return a client of the query API."""
    with httpx.Client(base_url=stack.query_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture
def register(command: httpx.Client) -> Callable[..., Body]:
    """Return what registers a user with a fresh address, and gives the document."""

    def register(**fields: object) -> Body:
        answer = command.post("/users", json=person(**fields))
        assert answer.status_code == 201, answer.text
        document: Body = answer.json()
        return document

    return register


def person(**fields: object) -> Body:
    """Return the body of a registration under a fresh address."""
    return {"email": f"{uuid.uuid4().hex}@example.org", "name": {"formatted": "Zoë Ångström"}, **fields}
