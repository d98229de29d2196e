"""Clients of the shared stack, and users whom no other test knows."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from devstack.table import AppProcess
from tests.e2e.people import Body, person
from tests.e2e.processes import TIMEOUT_SECONDS, another
from tests.stack import Stack


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


@pytest.fixture(scope="session")
def second_command_api(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    """Return another command API of the same directory."""
    with another(stack, "command-api", tmp_path_factory.mktemp("second")) as process:
        yield process


@pytest.fixture
def register(command: httpx.Client) -> Callable[..., Body]:
    """Return what registers a user with a fresh address, and gives the document."""

    def register(**fields: object) -> Body:
        answer = command.post("/users", json=person(**fields))
        assert answer.status_code == 201, answer.text
        document: Body = answer.json()
        return document

    return register
