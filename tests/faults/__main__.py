"""`make test-faults SEED=n MINUTES=m`: clients and faults for some minutes, then the checker's verdict."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.faults.checker import violations
from tests.faults.checker.naive_log import tell as told_by
from tests.faults.driver.run import Run, StillBroken, run
from tests.faults.driver.system import Scale

_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, judge and tell; return 0 if nothing was violated, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="default: a new one")
    parser.add_argument("--minutes", type=float, default=2, help="how long there are faults (default: 2)")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="Kafka brokers (default: 1)")
    for kind in ("command-apis", "query-apis", "projectors"):
        parser.add_argument(f"--{kind}", type=int, default=2, help="how many (default: 2)")
    parser.add_argument("--directory", type=Path, help="where history, evidence and logs go (default: a temporary one)")
    parser.add_argument("--only", help="regular expression for the kinds of faults (default: all)")
    parser.add_argument("--product", type=Path, help="another source tree, from which the processes are started")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}: faults for {given.minutes:g} minutes, {given.brokers} broker(s)", flush=True)
    directory = given.directory or Path(tempfile.mkdtemp(prefix="faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    scale = Scale(given.command_apis, given.query_apis, given.projectors, brokers=given.brokers)
    try:
        done = asyncio.run(
            run(
                directory,
                seed=given.seed,
                seconds=given.minutes * 60,
                scale=scale,
                only=given.only or "",
                environ=processes_from(given.product) if given.product else None,
            )
        )
    except StillBroken as broken:
        found = [str(broken)]
    else:
        tell(done)
        found = violations(done.operations, done.faults, done.evidence)
    for line in found[:_SHOWN]:
        print(f"VIOLATION  {line[:500]}")
    print(f"verdict: {f'{len(found)} violations' if found else 'nothing lost, doubled, owned twice or unexplained'}")
    if found or given.directory:
        print(f"history, evidence and logs: {directory}; again: --seed {given.seed} --minutes {given.minutes:g}")
    else:
        shutil.rmtree(directory)
    return 1 if found else 0


def processes_from(tree: Path) -> dict[str, str]:
    """Return what makes a Python take the product from another tree."""
    return {"PYTHONPATH": f"{tree.absolute()}:{tree.absolute() / 'events'}", "PYTHONSAFEPATH": "1"}


def tell(done: Run) -> None:
    """Print what was broken and what was answered."""
    for kind, count in sorted(Counter(fault.kind for fault in done.faults).items()):
        print(f"{count:5}  {kind}")
    print(f"{len(done.faults):5}  faults in all")
    answers: dict[str, Counter[str]] = {}
    for operation in done.operations:
        answers.setdefault(operation.action, Counter())[str(operation.status or "no answer")] += 1
    for action, statuses in sorted(answers.items()):
        print(f"{action:12} " + ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
    print(f"{len(done.operations):5}  operations in all, {len(done.evidence.log)} records in the log")
    told = told_by(done.evidence.log)
    void = ", ".join(f"{count} by {reason}" for reason, count in sorted(Counter(told.void).items())) or "none"
    print(f"{sum(map(len, told.users.values())):5}  events accepted; void: {void}")
    for words in done.crashed:
        print(f"ended by itself: {words[:300]}")


if __name__ == "__main__":
    sys.exit(main())
