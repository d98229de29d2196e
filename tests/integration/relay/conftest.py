from collections.abc import Iterator

import pytest

from tests.integration.relay.world import RelayWorld


@pytest.fixture
def world(kafka_bootstrap: str, redis_url: str) -> Iterator[RelayWorld]:
    made = RelayWorld(kafka_bootstrap, redis_url)
    yield made
    made.close()
