from collections.abc import AsyncIterator

import pytest

from tests.unit.command_api.in_memory import CommandApi


@pytest.fixture
async def api() -> AsyncIterator[CommandApi]:
    made = CommandApi()
    made.open()
    async with made.client:
        yield made
