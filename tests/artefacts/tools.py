"""Running a tool, and what may come of it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Fault(Exception):
    """What the tool says."""


class CannotRun(Exception):
    """A tool is missing; the text says which and where from."""


def tool(root: Path, *command: str, stdin: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Run a tool in a folder, with the project's packages in reach, and return what it prints.

    Raises:
        Fault: it ends with another status than 0.
        CannotRun: it is not on the PATH.
    """
    if not shutil.which(command[0]):
        raise CannotRun(f"{command[0]} is not on the PATH")
    full = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'events'}", **(environ or {})}
    done = subprocess.run(command, cwd=root, input=stdin, capture_output=True, text=True, env=full, check=False)
    if done.returncode != 0:
        raise Fault(f"{done.stdout}{done.stderr}".strip()[-3000:])
    return done.stdout


def files(root: Path, pattern: str) -> list[str]:
    """Return the project's files of a pattern, those that git does not know yet too."""
    listed = tool(root, "git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern).splitlines()
    return sorted(path for path in listed if (root / path).is_file())
