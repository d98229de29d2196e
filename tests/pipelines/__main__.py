"""Run every task of both pipelines in a clean clone: `python -m tests.pipelines [--planted]`.

The directory that the smoke test tries is real, the other peers are doubles.
With --planted mistakes are planted into the clone, each of which must stop the check at the right task and at no other;
of the tests only as many are run as that takes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.pipelines import workers
from tests.pipelines.build import Build
from tests.pipelines.dev import dev
from tests.pipelines.peers import peers

_CHECK: Final = ("compile", "unit", "types", "lint", "coverage", "sonar", "sonar-gate")
_RELEASE: Final = ("publish", "published", "sbom", "scan", "chart-package", "deploy", "smoke")


@dataclass(frozen=True)
class Planted:
    """A mistake, the task that must fail because of it, and the environment that keeps the tests short until then."""

    name: str
    plant: Callable[[Path], None]
    task: str
    environ: Mapping[str, str]


def failing_test(root: Path) -> None:
    """Add a test that fails."""
    (root / "tests/unit/benchmarks/test_planted.py").write_text("def test_planted() -> None:\n    assert 1 + 1 == 3\n")


def lint_error(root: Path) -> None:
    """Add an import that nothing uses, which neither the types nor a test mind."""
    path = root / "pipeline/errors.py"
    path.write_text(path.read_text().replace("import os\n", "import json\nimport os\n"))


def type_error(root: Path) -> None:
    """Let a function return something else than it says."""
    path = root / "runtime/context.py"
    path.write_text(f"{path.read_text()}\n\ndef _planted() -> int:\n    return _span_id()\n")


def tests_taken_away(root: Path) -> None:
    """Take all tests away but a few."""
    for path in (root / "tests").glob("*/**/test_*.py"):
        if path.parent.name != "pipeline":
            path.unlink()


PLANTED: Final = (
    Planted("a unit test that fails", failing_test, "unit", {"PYTEST_ADDOPTS": "-x"}),
    Planted("an import that nothing uses", lint_error, "lint", {"PYTEST_ADDOPTS": "-k pipeline"}),
    Planted("a wrong type", type_error, "types", {"PYTEST_ADDOPTS": "-k pipeline"}),
    Planted("tests taken away", tests_taken_away, "coverage", {}),
)


def run(folder: Path) -> int:
    """Run the tasks; return how many failed or were not reached."""
    source = folder / "source"
    workers.repository(source)
    with peers() as there:
        build = workers.build(folder, source, there)
        # A worker of Concourse's makes the environment anew for each task; here the first one's is lent to the others.
        first = build.run(workers.CI, "check", without=_CHECK[1:])
        workers.lend(next(build.folder.glob("*-compile")) / "source" / ".venv", source)
        if first and build.run(workers.CI, "check", without=("compile",)):
            with dev(folder / "dev") as running:
                build.variables = {**build.variables, "dev-url": running.url, "dev-token": running.token}
                build.run(workers.CD, "release")
    return _tell(build, (*_CHECK, *_RELEASE, "notify"))


def run_planted(folder: Path, name: str | None) -> int:
    """Plant each mistake, or one; return how many were not found, or by another task."""
    missed = 0
    for number, planted in enumerate(PLANTED):
        if name not in (None, planted.task):
            continue
        source = folder / str(number) / "source"
        workers.repository(source)
        planted.plant(source)
        workers.commit(source)
        workers.lend(workers.VENV, source)
        with peers() as there:
            build = workers.build(folder / str(number) / "work", source, there)
            build.environ = {**build.environ, **planted.environ}
            passed = build.run(workers.CI, "check")
        failed = [task for task, status in build.statuses().items() if status]
        found = not passed and failed == [planted.task] and len(there.messages) == 1
        missed += not found
        print(f"{'found ' if found else 'FAILED'} {planted.name}: {build.statuses()}", flush=True)
        if not found:
            print("\n".join(done.output[-3000:] for done in build.done if done.status), flush=True)
    return missed


def _tell(build: Build, wanted: tuple[str, ...]) -> int:
    statuses = build.statuses()
    for done in build.done:
        print(
            f"{'ok    ' if done.status == 0 else 'FAILED'} {done.seconds:6.1f} s  {done.task}: {done.command}",
            flush=True,
        )
        if done.status != 0:
            print(done.output[-3000:], flush=True)
    missing = [task for task in wanted if task not in statuses]
    if missing:
        print(f"FAILED not reached: {', '.join(missing)}")
    return len(missing) + sum(status != 0 for status in statuses.values())


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planted", action="store_true", help="plant mistakes and see that each is found")
    parser.add_argument("--task", choices=[one.task for one in PLANTED], help="with --planted: only this one")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        failed = run_planted(Path(folder), asked.task) if asked.planted else run(Path(folder))
    print(f"{f'{failed} failed' if failed else 'all passed'} in {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
