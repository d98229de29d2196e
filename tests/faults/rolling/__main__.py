"""`python -m tests.faults.rolling`: to the next release and back, under load, with two made-up releases.

The release before (`reads.patch`) knows the new versions of two events, and the field that comes with them in the read
models, but writes the old versions; the next one (`writes.patch`, on top) writes the new.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.rolling.releases import READS, ROOT, WRITES, make, python_path


def main() -> int:
    """Make both releases, roll there and back; return 0 if no request failed and nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="releases-") as name:
        before = make(Path(name) / "before", [READS])
        after = make(Path(name) / "after", [READS, WRITES])
        # Who judges must know what the next release writes.
        environ = os.environ | {"PYTHONPATH": f"{python_path(after)}:{ROOT}", "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-m", "tests.faults.rolling.drive", str(before), str(after)]
        return subprocess.run(command, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
