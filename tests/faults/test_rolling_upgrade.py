"""Two of each process go to a release that writes a new version of events, and back, while clients write and read."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(240)]


def test_an_upgrade_and_a_downgrade_across_a_new_event_version_fail_no_request_and_lose_nothing() -> None:
    command = [sys.executable, "-m", "tests.faults.rolling"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "user.updated/2: " in done.stdout
    assert "verdict: no request failed, nothing is lost\n" in done.stdout
