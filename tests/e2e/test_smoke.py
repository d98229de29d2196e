"""The smoke test that ends a release tries what it says, and fails where the directory does not answer."""

import os
import subprocess
from pathlib import Path

from tests.stack import Stack

ROOT = Path(__file__).parents[2]


def smoke(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the pipeline's task as `make smoke`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "TOKEN"))}
    command = ["make", "smoke", *(f"{name}={value}" for name, value in variables.items())]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_directory_that_runs_passes(stack: Stack) -> None:
    done = smoke(URL=stack.command_url, READS=stack.query_url)
    assert done.returncode == 0, done.stderr


def test_reads_that_lead_elsewhere_fail(stack: Stack) -> None:
    done = smoke(URL=stack.command_url, READS=stack.command_url)
    assert done.returncode != 0
    assert "GET" in done.stdout + done.stderr


def test_without_a_directory_nothing_passes() -> None:
    assert smoke(URL="").returncode != 0
    assert "say where it runs" in smoke(URL="").stderr
