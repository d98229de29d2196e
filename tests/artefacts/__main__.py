"""Run the checks: `python -m tests.artefacts [--planted]`.

A check whose tool is missing is told loudly, and fails where CI is set. With --planted the checks are checked: each
mistake of `mistakes` is planted into a copy of the project, and must be found.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.artefacts.checks import CHECKS
from tests.artefacts.mistakes import MISTAKES
from tests.artefacts.tools import CannotRun, Fault

ROOT = Path(__file__).parents[2]


def check() -> int:
    """Return how many checks fail."""
    failed = 0
    for one in CHECKS:
        started = time.monotonic()
        try:
            told = one.run(ROOT)
        except Fault as fault:
            failed += 1
            print(f"FAILED   {one.name}\n{fault}", flush=True)
        except CannotRun as reason:
            failed += bool(os.environ.get("CI"))
            print(f"NOT RUN  {one.name}: {reason}", flush=True)
        else:
            print(f"ok {time.monotonic() - started:4.0f} s  {one.name}: {told}", flush=True)
    return failed


def check_the_checks() -> int:
    """Return how many planted mistakes are not found."""
    failed = 0
    by_name = {one.name: one for one in CHECKS}
    assert {mistake.check for mistake in MISTAKES} == set(by_name), "every check needs a mistake"
    for mistake in MISTAKES:
        what = f"{mistake.check}: {mistake.path}: {mistake.text.strip()!r} -> {mistake.instead.strip()!r}"
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "project"
            _copy(copy)
            mistake.plant(copy)
            try:
                by_name[mistake.check].run(copy)
            except Fault as fault:
                found = mistake.clue in str(fault)
                verdict = "found    " if found else f"FAILED   found something else: {fault}\n         "
                failed += not found
            except CannotRun as reason:
                verdict = f"NOT RUN  ({reason}) "
                failed += bool(os.environ.get("CI"))
            else:
                verdict = "FAILED   not found: "
                failed += 1
        print(f"{verdict}{what}", flush=True)
    return failed


def _copy(to: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    subprocess.run(["git", "init", "-q"], cwd=to, check=True)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planted", action="store_true", help="plant mistakes and see that each is found")
    failed = check_the_checks() if parser.parse_args().planted else check()
    print(f"{failed} failed" if failed else "all passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
