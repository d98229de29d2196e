"""Start processes in order, keep them running, and stop them in reverse."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from devstack.errors import DevstackError
from devstack.state import StateFile

_TICK_SECONDS = 0.05
_ASK_SECONDS = 0.1
_STILL_WAITING_SECONDS = 10.0
_FIRST_BACK_OFF_SECONDS, _LONGEST_BACK_OFF_SECONDS = 0.2, 10.0
# A process that has been ready for so long starts again at once when it dies.
_STEADY_SECONDS = 30.0
_TRIES_TO_START = 3
# Bad settings: another try gives the same answer.
_USAGE_STATUS = 2


class Member(Protocol):
    """What the supervisor asks of a process, or of a server that is not ours; see `ManagedProcess`."""

    name: str
    stop_seconds: float

    @property
    def pid(self) -> int | None: ...
    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def ready(self) -> bool: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...
    def kill(self) -> None: ...
    def last_words(self) -> str: ...


@dataclass
class Post:
    """A member and where its life stands."""

    member: Member
    after: tuple[str, ...] = ()
    """Names of what must have been ready once before it starts."""
    running: bool = False
    ready_since: float | None = None
    was_ready: bool = False
    start_at: float = 0.0
    ask_at: float = 0.0
    deaths: int = 0
    back_off: float = _FIRST_BACK_OFF_SECONDS


class Supervisor:
    """Run the posts until told to stop; everything happens in the thread that calls `run`."""

    def __init__(
        self,
        posts: Sequence[Post],
        state: StateFile,
        say: Callable[[str], None],
        on_ready: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._posts = {post.member.name: post for post in posts}
        self._state = state
        self._say = say
        self._on_ready = on_ready
        self._clock = clock
        self._sleep = sleep
        self._begun = clock()
        self._said_at = clock()
        self._complete = False
        self.stops_asked = 0
        """How often the user has asked for the end; the second time, nothing is waited for."""

    def ask_to_stop(self, number: int, frame: object) -> None:
        """End the run soon; fit for a signal handler."""
        self.stops_asked += 1

    def run(self) -> None:
        """Start everything, keep it running until asked to stop, then stop everything.

        Raises:
            DevstackError: a process does not start; everything has been stopped.
        """
        try:
            while not self.stops_asked:
                self.step()
                self._sleep(_TICK_SECONDS)
            self._say("Stopping ...")
        finally:
            self.stop_all()

    def step(self) -> None:
        """Look at every process once and do what is due."""
        for post in self._posts.values():
            if not post.running:
                if self._clock() >= post.start_at and all(self._posts[name].was_ready for name in post.after):
                    self._start(post)
            elif (status := post.member.poll()) is not None:
                self._died(post, status)
            elif post.ready_since is None:
                self._ask(post)
        if not self._complete:
            self._tell_progress()

    def stop_all(self) -> None:
        """Stop the members, those first that need the others."""
        for layer in reversed(self._layers()):
            for member in layer:
                member.terminate()
            for member in layer:
                self._see_off(member)

    def _see_off(self, member: Member) -> None:
        deadline = self._clock() + member.stop_seconds
        # The second Ctrl-C cuts the wait short, so it is made of small ones.
        while not member.wait(_TICK_SECONDS):
            if self._clock() > deadline or self.stops_asked > 1:
                self._say(f"{member.name} has not stopped in time: killed")
                member.kill()

    def _start(self, post: Post) -> None:
        try:
            post.member.start()
        except OSError as error:
            raise DevstackError(f"{post.member.name} cannot be started: {error}") from error
        post.running, post.ask_at = True, 0.0
        self._write_state()

    def _ask(self, post: Post) -> None:
        if self._clock() < post.ask_at:
            return
        ready = post.member.ready()
        now = self._clock()
        post.ask_at = now + _ASK_SECONDS
        if not ready:
            return
        post.ready_since = now
        self._say(f"{post.member.name} is ready{' again' if post.was_ready else f' ({now - self._begun:.1f} s)'}")
        post.was_ready = True
        if not self._complete and all(other.was_ready for other in self._posts.values()):
            self._complete = True
            self._on_ready(now - self._begun)

    def _died(self, post: Post, status: int) -> None:
        now = self._clock()
        if post.ready_since is not None and now - post.ready_since >= _STEADY_SECONDS:
            post.back_off = _FIRST_BACK_OFF_SECONDS
        post.running, post.ready_since, post.start_at = False, None, now + post.back_off
        post.deaths += 1
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        else:
            how = f"exit status {status}: {post.member.last_words()}"
        if not post.was_ready and (post.deaths >= _TRIES_TO_START or status == _USAGE_STATUS):
            raise DevstackError(f"{post.member.name} does not start ({how})")
        self._say(f"{post.member.name} has died ({how}); starting it again in {post.back_off:g} s")
        post.back_off = min(post.back_off * 2, _LONGEST_BACK_OFF_SECONDS)
        self._write_state()

    def _tell_progress(self) -> None:
        if self._clock() - self._said_at >= _STILL_WAITING_SECONDS:
            self._said_at = self._clock()
            waited = [name for name, post in self._posts.items() if post.running and not post.was_ready]
            self._say(f"Still waiting for {' and '.join(waited)} after {self._clock() - self._begun:.0f} s ...")

    def _write_state(self) -> None:
        members = [(post.member, post.running) for post in self._posts.values()]
        self._state.write((member.name, member.pid, member.url) for member, running in members if running)

    def _layers(self) -> list[list[Member]]:
        """Return the running members in the order of their start: each layer needs only those before it."""
        depth: dict[str, int] = {}
        for name, post in self._posts.items():
            depth[name] = 1 + max((depth[other] for other in post.after), default=-1)
        layers: list[list[Member]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for name, post in self._posts.items():
            if post.running:
                layers[depth[name]].append(post.member)
        return layers
