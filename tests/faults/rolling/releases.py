"""Source trees of made-up releases, from patches: what stands here, and what a release after it might be."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent
ROOT = _HERE.parents[2]
_PRODUCT = ("command_api", "query_api", "projector", "read_models", "runtime", "events")
READS, WRITES = _HERE / "reads.patch", _HERE / "writes.patch"


def make(tree: Path, patches: Sequence[Path]) -> Path:
    """Copy the product to a tree, and patch it; return the tree.

    Raises:
        subprocess.CalledProcessError: a patch does not apply any more.
    """
    for package in _PRODUCT:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    # Outside of any repository git applies a patch to the files alone.
    environ = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    for patch in patches:
        command = ["git", "apply", "--whitespace=nowarn", str(patch)]
        subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True, text=True)
    return tree


def python_path(tree: Path) -> str:
    """Return what makes a Python take the product from a tree."""
    return f"{tree}:{tree / 'events'}"
