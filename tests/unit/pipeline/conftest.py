from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.pipeline.doubles import Peer, peer


@pytest.fixture
def double() -> Iterator[Peer]:
    with peer() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUT", raising=False)
    return tmp_path
