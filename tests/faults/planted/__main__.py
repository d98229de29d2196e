"""`make test-planted-faults`: plant each of eight faults into a copy of the product, and see the checker catch it.

Each fault is a patch beside this module whose first line says what it does. The usual clients run against the copy,
with those kinds of faults that can bring it to light, one seed after the other, until the checker finds a violation or
five minutes are over.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]
_PRODUCT = ("command_api", "query_api", "projector", "read_models", "runtime", "events")
_LONGEST_SECONDS = 300
_MINUTES = 0.6
KINDS = {
    "append-retried-with-a-new-event-id": "pause (projector|kafka)|freeze a link to (redis|kafka)",
    "claim-not-released": "",
    "deadline-ignored": "pause (kafka|command-api) past|freeze a link to kafka",
    "epoch-ignored": "fail redis over",
    "reservation-lapses-by-a-clock": "pause projector past|delay a link to kafka",
    "token-ignored": "pause projector|redis, older|kill projector",
    "verdict-before-checkpoint": "delay the projectors",
    "version-check-removed": "delay a link to redis",
}
"""What brings each fault to light, as `--only` takes it."""


def patches() -> dict[str, Path]:
    """Return the faults by name."""
    return {path.stem: path for path in sorted(_HERE.glob("*.patch"))}


def plant(name: str, tree: Path) -> None:
    """Copy the product to a tree, with one fault in it.

    Raises:
        subprocess.CalledProcessError: the patch does not apply any more.
    """
    for package in _PRODUCT:
        shutil.copytree(_ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    # Outside of any repository git applies a patch to the files alone.
    command = ["git", "apply", "--whitespace=nowarn", str(patches()[name])]
    environ = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True, text=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try each fault; return 0 if all were caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *patches()], help="faults to plant (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    given = parser.parse_args(arguments)
    missed = 0
    for name in given.names or patches():
        began = time.monotonic()
        found = _catch(name, given.seed, began + _LONGEST_SECONDS)
        missed += found is None
        print(f"{name:36} {time.monotonic() - began:4.0f} s  {found or 'NOT CAUGHT'}", flush=True)
    return 1 if missed else 0


def _catch(name: str, seed: int, until: float) -> str | None:
    """Run seeds until a violation is found; return the first one."""
    with tempfile.TemporaryDirectory(prefix="planted-") as directory:
        tree = Path(directory) / "product"
        plant(name, tree)
        while time.monotonic() < until:
            run = Path(directory) / f"seed-{seed}"
            command = [sys.executable, "-m", "tests.faults", "--seed", str(seed), "--minutes", str(_MINUTES)]
            command += ["--only", KINDS[name], "--product", str(tree), "--directory", str(run)]
            done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
            violations = [line for line in done.stdout.splitlines() if line.startswith("VIOLATION")]
            if violations:
                return f"seed {seed}: {violations[0].removeprefix('VIOLATION').strip()[:160]}"
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            seed += 1
    return None


if __name__ == "__main__":
    sys.exit(main())
