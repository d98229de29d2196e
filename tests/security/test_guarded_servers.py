"""The end-to-end tests once more, over TLS and with no other rights than documented; `make test-security` runs all."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
CORE = ("life_of_a_user", "requests", "idempotency", "change_feed")


def test_the_core_of_the_end_to_end_tests_passes_against_guarded_servers() -> None:
    files = [f"tests/e2e/test_{name}.py" for name in CORE]
    # Its notes about what failed are for this run's `--last-failed`, not for one within it.
    command = [sys.executable, "-m", "pytest", "--secure", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TLS" in done.stdout
