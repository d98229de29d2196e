"""Random faults under concurrent clients, judged by the history: a short run; `make test-faults` makes longer ones."""

from pathlib import Path

import pytest

from tests.faults.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_nothing_is_lost_doubled_owned_twice_or_unexplained(tmp_path: Path) -> None:
    assert main(["--seed", "4", "--minutes", "0.75", "--directory", str(tmp_path)]) == 0
