"""Tell whether a process noted earlier is still the same one."""

import os
import subprocess
from pathlib import Path


def started(pid: int) -> str | None:
    """Return when a process started, in the system's own form, or None when there is no such process.

    With the pid it names a process for ever; a pid alone is given to another process later.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        # The name before the last bracket may hold brackets and blanks; state and start time are fields 3 and 22.
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return None if fields[0] in "ZX" else fields[19]


def same(pid: int, when: str | None) -> bool:
    """Tell whether process `pid` is alive and is the one that started at `when`."""
    return when is not None and started(pid) == when


def signal_group(pid: int, number: int) -> None:
    """Send a signal to the process group that `pid` leads; one that is gone already is no error."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers "not permitted" for a group of which only the unreaped leader is left.
        return


def _started_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - where there is no /proc, ps is on every PATH
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or None
