"""The planted faults stay what they were meant to be while the product changes."""

from pathlib import Path

import pytest

from tests.faults.planted.__main__ import KINDS, patches, plant


def test_there_are_eight() -> None:
    assert len(patches()) == 8


@pytest.mark.parametrize("name", patches())
def test_each_still_applies(name: str, tmp_path: Path) -> None:
    plant(name, tmp_path / "product")


def test_it_is_known_what_brings_each_to_light() -> None:
    assert set(KINDS) == set(patches())
