from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from falcon.testing import ASGIConductor

from tests.security import apps
from tests.security.tokens import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "jwks.json")


@pytest.fixture
async def query(issuer: Issuer) -> AsyncIterator[ASGIConductor]:
    async with apps.client(apps.query(issuer)) as client:
        yield client
