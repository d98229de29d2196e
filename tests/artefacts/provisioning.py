"""Terraform with its own tools, and checkov. TF_CLI_CONFIG_FILE may name a provider; else it is the registry's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.artefacts.tools import CannotRun, Fault, tool

_ROOTS: Final = ("state", "environments/dev", "environments/prod")
# `terraform test` tears down what it has applied, and this would forbid it.
_KEPT, _NOT_KEPT = "prevent_destroy = true", "prevent_destroy = false"
_MUST_BE_KEPT: Final = ("modules/log/main.tf", "modules/cluster/main.tf", "state/main.tf")


def validate(root: Path) -> str:
    """Check the form of every file, and validate every environment against the provider's schema."""
    tool(root, "terraform", "fmt", "-check", "-recursive", "-diff", "terraform")
    with _copy(root) as folder:
        for name in _ROOTS:
            _ready(folder / "terraform" / name)
            tool(folder / "terraform" / name, "terraform", "validate", "-no-color")
    return ", ".join(_ROOTS)


def test(root: Path) -> str:
    """Plan and apply every module and environment with a mocked provider, and let the tests look at it."""
    for name in _MUST_BE_KEPT:
        if _KEPT not in (root / "terraform" / name).read_text():
            raise Fault(f"terraform/{name}: what must never be deleted has no `{_KEPT}` any more")
    ran = 0
    with _copy(root) as folder:
        for path in folder.glob("terraform/**/*.tf"):
            path.write_text(path.read_text().replace(_KEPT, _NOT_KEPT))
        found = sorted(path.parent for path in folder.glob("terraform/**/tests"))
        if not found:
            raise Fault("there are no tests")
        for one in found:
            _ready(one)
            out = tool(one, "terraform", "test", "-no-color")
            ran += out.count("... pass\n") - out.count(".tftest.hcl... pass\n")
    return f"{ran} runs of {len(found)} modules"


def checkov(root: Path) -> str:
    """Let checkov judge the security of what would be made."""
    arguments = ("--directory", "terraform", "--framework", "terraform", "--skip-download", "--compact", "--quiet")
    tool(root, "checkov", *arguments)
    return "terraform/"


def _ready(folder: Path) -> None:
    if not shutil.which("terraform"):
        raise CannotRun("terraform is not on the PATH")
    if os.environ.get("TF_CLI_CONFIG_FILE"):
        # A provider under development needs no init, and `init` would ask the registry for it.
        tool(folder, "terraform", "get", "-no-color")
        return
    try:
        tool(folder, "terraform", "init", "-backend=false", "-input=false", "-no-color")
    except Fault as fault:
        if "registry.terraform.io" in str(fault):
            raise CannotRun(
                "terraform init cannot download the provider; TF_CLI_CONFIG_FILE may name another place"
            ) from fault
        raise


@contextmanager
def _copy(root: Path) -> Iterator[Path]:
    """Yield a copy in which terraform may leave its things."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left = shutil.ignore_patterns(".terraform", "*.tfstate*", ".terraform.lock.hcl")
        shutil.copytree(root / "terraform", folder / "terraform", ignore=left)
        shutil.copytree(root / "charts" / "user-directory" / "ci", folder / "charts" / "user-directory" / "ci")
        yield folder
