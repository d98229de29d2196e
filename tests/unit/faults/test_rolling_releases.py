"""The made-up releases of the rolling upgrade stay what they were meant to be while the product changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rolling.releases import READS, WRITES, make, python_path

SCHEMAS = """
from user_directory_events.user_events import UserUpdated
from user_directory_events.upcasters import CURRENT_VERSIONS
print(UserUpdated.model_fields["dataschema"].default, CURRENT_VERSIONS["user.updated"])
"""


@pytest.mark.parametrize(
    ("patches", "written"), [([READS], "user.updated/1 2\n"), ([READS, WRITES], "user.updated/2 2\n")]
)
def test_each_patch_applies_and_changes_what_is_written(patches: list[Path], written: str, tmp_path: Path) -> None:
    tree = make(tmp_path / "release", patches)
    environ = os.environ | {"PYTHONPATH": python_path(tree)}
    done = subprocess.run([sys.executable, "-c", SCHEMAS], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (written, "")
