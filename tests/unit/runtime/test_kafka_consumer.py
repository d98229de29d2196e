from types import SimpleNamespace

import pytest

from runtime.kafka_consumer import keep_rejoining


@pytest.mark.parametrize(
    ("rejoining", "needed", "asked"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_rejoining_that_was_begun_and_is_no_longer_needed_is_ended(
    rejoining: bool, needed: bool, asked: bool
) -> None:
    asks: list[bool] = []
    coordinator = SimpleNamespace(
        rejoining=rejoining, need_rejoin=lambda: needed, request_rejoin=lambda: asks.append(True)
    )

    keep_rejoining(SimpleNamespace(_coordinator=coordinator))

    assert bool(asks) is asked
