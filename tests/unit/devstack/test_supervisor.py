import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.errors import DevstackError
from devstack.state import StateFile
from devstack.supervisor import Post, Supervisor
from devstack.table import APPS


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class _Member:
    """A process in memory."""

    stop_seconds = 1.0
    url = "http://127.0.0.1:1"
    pid = None

    def __init__(self, name: str, journal: list[str], *, stubborn: bool = False) -> None:
        self.name = name
        self.starts = 0
        self.is_ready = True
        self.status: int | None = None
        self._journal = journal
        self._stubborn = stubborn

    def start(self) -> None:
        self.starts += 1
        self.status = None
        self._journal.append(f"start {self.name}")

    def ready(self) -> bool:
        return self.is_ready

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self._journal.append(f"stop {self.name}")

    def wait(self, seconds: float) -> bool:
        return not self._stubborn

    def kill(self) -> None:
        self._journal.append(f"kill {self.name}")
        self._stubborn = False

    def last_words(self) -> str:
        return "REDIS_URL must be a redis:// URL"


class _Stack:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = _Clock()
        self.journal: list[str] = []
        self.said: list[str] = []
        self.complete: list[float] = []
        self.kafka, self.redis = self._member("kafka"), self._member("redis")
        self.projector, self.api = self._member("projector"), self._member("api")
        posts = [
            Post(self.redis),
            Post(self.kafka),
            Post(self.projector, ("kafka", "redis")),
            Post(self.api, ("projector",)),
        ]
        state = StateFile(tmp_path)
        self.supervisor = Supervisor(posts, state, self.said.append, self.complete.append, self.clock, self.clock.sleep)

    def _member(self, name: str) -> _Member:
        return _Member(name, self.journal)

    def pass_seconds(self, seconds: float) -> None:
        """Let the supervisor work for so long."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.supervisor.step()
            self.clock.sleep(0.05)

    def until_complete(self) -> None:
        while not self.complete:
            self.pass_seconds(0.1)


@pytest.fixture
def stack(tmp_path: Path) -> _Stack:
    return _Stack(tmp_path)


def test_each_starts_once_what_it_needs_is_ready(stack: _Stack) -> None:
    stack.kafka.is_ready = False
    stack.pass_seconds(2)
    assert stack.journal == ["start redis", "start kafka"]

    stack.kafka.is_ready = True
    stack.until_complete()

    assert stack.journal == ["start redis", "start kafka", "start projector", "start api"]
    assert len(stack.complete) == 1


def test_what_is_waited_for_is_said_from_time_to_time(stack: _Stack) -> None:
    stack.kafka.is_ready = False

    stack.pass_seconds(21)

    assert [line for line in stack.said if "Still waiting for kafka after" in line] == stack.said[1:]
    assert len(stack.said) == 3


def test_all_stop_in_reverse_and_the_stubborn_is_killed(stack: _Stack) -> None:
    stack.until_complete()
    stack.projector._stubborn = True
    stack.journal.clear()
    # The deadline comes as the clock moves on while it waits.
    waits = stack.projector.wait

    def wait(seconds: float) -> bool:
        stack.clock.sleep(seconds)
        return waits(seconds)

    stack.projector.wait = wait  # type: ignore[method-assign]

    stack.supervisor.stop_all()

    assert stack.journal == ["stop api", "stop projector", "kill projector", "stop redis", "stop kafka"]


def test_a_dead_one_is_started_again_with_a_line_that_says_so(stack: _Stack) -> None:
    stack.until_complete()
    stack.said.clear()

    stack.kafka.status = -signal.SIGKILL
    stack.pass_seconds(1)

    assert stack.kafka.starts == 2
    assert stack.said == ["kafka has died (killed by SIGKILL); starting it again in 0.2 s", "kafka is ready again"]
    assert stack.projector.starts == 1


def _die_at_once(member: _Member, status: int = 1) -> Callable[[], None]:
    start = member.start

    def start_and_die() -> None:
        start()
        member.status = status

    return start_and_die


def test_one_that_keeps_dying_is_started_less_and_less_often(stack: _Stack) -> None:
    stack.until_complete()
    stack.api.start = _die_at_once(stack.api)  # type: ignore[method-assign]
    stack.api.status = 1

    stack.pass_seconds(60)

    assert 8 <= stack.api.starts <= 14


def test_one_that_was_steady_is_started_again_soon(stack: _Stack) -> None:
    stack.until_complete()
    for _ in range(5):
        stack.pass_seconds(40)
        stack.api.status = 0
        stack.pass_seconds(0.5)

    assert stack.api.starts == 6
    assert [line for line in stack.said if "again in 0.2 s" in line] == [line for line in stack.said if "died" in line]


@pytest.mark.parametrize(("status", "starts"), [(2, 1), (1, 3)])
def test_one_that_never_starts_ends_the_run(stack: _Stack, status: int, starts: int) -> None:
    stack.projector.start = _die_at_once(stack.projector, status)  # type: ignore[method-assign]

    with pytest.raises(DevstackError, match=r"projector does not start .*REDIS_URL must be"):
        stack.supervisor.run()

    assert stack.projector.starts == starts
    assert stack.journal[-2:] == ["stop redis", "stop kafka"]


def test_the_table_names_every_process_with_ports_of_its_own() -> None:
    names = ["kafka", "redis", *(app.name for app in APPS)]

    assert names == ["kafka", "redis", "projector", "command-api", "query-api", "relay"]
    assert len({app.default_port for app in APPS}) == len(APPS)
    for position, app in enumerate(APPS):
        assert set(app.after) <= set(names[: position + 2])
