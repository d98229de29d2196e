"""A repository with the files as they are here and the packages that are installed here, and a build of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import workers
from tests.pipelines.build import Build
from tests.pipelines.peers import Peers, peers


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository."""
    target = tmp_path_factory.mktemp("source") / "source"
    workers.repository(target)
    workers.lend(workers.VENV, target)
    return target


@pytest.fixture
def there() -> Iterator[Peers]:
    """Return the peers' doubles."""
    with peers() as running:
        yield running


@pytest.fixture
def build(source: Path, there: Peers, tmp_path: Path) -> Build:
    """Return a build that has not begun."""
    return workers.build(tmp_path, source, there)
