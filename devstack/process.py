"""One child process of the local stack: started, watched, paused, stopped."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from devstack.errors import DevstackError
from devstack.identity import signal_group

_LOG_KEPT_BYTES = 16 * 1024 * 1024
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ManagedProcess:
    """A child process in a session of its own, so that a Ctrl-C reaches only its supervisor.

    On Linux it gets `death_signal` when the thread that started it ends: start it from a thread that lives as long
    as the process is wanted.
    """

    stop_seconds = 30.0
    """How long a stop may take before the process is killed."""

    def __init__(self, name: str, log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self.environ = dict(os.environ if environ is None else environ)
        self.death_signal = signal.SIGTERM
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return where it is reached."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Return the pid of the running process."""
        return self.process.pid if self.process and self.process.returncode is None else None

    def command(self) -> list[str]:
        """Return the command line; called at each start."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Tell whether it serves now; takes a second or two at most."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process; it may not be ready yet."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        command = self.command()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_dies_with_parent(self.death_signal),  # noqa: PLW1509 - one system call, bound beforehand
            )

    def poll(self) -> int | None:
        """Return the exit status once the process has ended, after ending what it left in its group."""
        if self.process is None or self.process.poll() is None:
            return None
        signal_group(self.process.pid, signal.SIGKILL)
        return self.process.returncode

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until the process serves.

        Raises:
            DevstackError: it ended, or is not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self.poll() is not None:
                raise DevstackError(f"{self.name} ended at its start: {self.last_words()}; its log: {self.log}")
            if time.monotonic() > deadline:
                raise DevstackError(f"{self.name} is not ready after {seconds:g} s; its log: {self.log}")
            time.sleep(_POLL_SECONDS)

    def terminate(self) -> None:
        """Ask the process to end; a paused one is resumed, so that it hears."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            self.resume()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process, and tell whether it came in time."""
        if self.process is not None:
            try:
                self.process.wait(max(seconds, 0))
            except subprocess.TimeoutExpired:
                return False
        return True

    def stop(self) -> None:
        """End the process, by force where it does not end in time."""
        self.terminate()
        if not self.wait(self.stop_seconds):
            self.kill()

    def kill(self) -> None:
        """End the process and its children as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def pause(self) -> None:
        """Freeze the process and its children."""
        if self.pid:
            signal_group(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        if self.pid:
            signal_group(self.pid, signal.SIGCONT)

    def last_words(self) -> str:
        """Return the last line of the log."""
        with self.log.open("rb") as log:
            log.seek(max(self.log.stat().st_size - 4096, 0))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else "it said nothing"


def _dies_with_parent(death_signal: int) -> Callable[[], None] | None:
    """Return what a new child does so that the kernel sends it `death_signal` when its parent dies."""
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def in_the_child() -> None:
        prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return in_the_child
