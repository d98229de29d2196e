"""`run`: put Kafka, Redis and the table's processes under one supervisor, in the foreground."""

import contextlib
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devstack import control, kafka_server, redis_server
from devstack.errors import DevstackError
from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from devstack.settings import Settings
from devstack.state import Lock, StateFile, without_password
from devstack.supervisor import Post, Supervisor
from devstack.table import DEFAULTS, App, AppProcess
from devstack.tokens import Issuer

_TRY = """\
Try:  curl -i {url}/users -H 'Content-Type: application/json' \\
        -d '{{"email": "ada@example.com", "name": {{"formatted": "Ada Lovelace"}}}}'"""


class RunningServer:
    """A Kafka or Redis that is not ours: asked whether it answers, never started or stopped."""

    pid = None
    stop_seconds = 0.0

    def __init__(self, name: str, url: str, variable: str, answers: Callable[[str], bool]) -> None:
        self.name = name
        self.url = without_password(url)
        self._asked = url
        self._variable = variable
        self._answers = answers

    def start(self) -> None:
        """Check that it answers.

        Raises:
            DevstackError: it does not.
        """
        if not self.ready():
            raise DevstackError(
                f"No {self.name} answers at {self.url}: start it, or unset {self._variable} to have one started"
            )

    def ready(self) -> bool:
        """Tell whether it answers now."""
        return self._answers(self._asked)

    def poll(self) -> int | None:
        """Return None: its life is not ours."""
        return None

    def terminate(self) -> None:
        """Leave it alone."""

    def wait(self, seconds: float) -> bool:
        """Return at once."""
        return True

    def kill(self) -> None:
        """Leave it alone."""

    def last_words(self) -> str:
        """Return nothing: its log is not ours."""
        return ""


def run(settings: Settings, apps: Sequence[App]) -> None:
    """Run the whole stack until Ctrl-C or SIGTERM.

    Raises:
        DevstackError: it does not start; whatever had been started is stopped again.
    """
    lock = Lock(settings.directory)
    lock.acquire()
    _interrupt_on(signal.SIGTERM, signal.SIGHUP)
    try:
        control.stop_leftovers(settings.directory, say)
        state = StateFile(settings.directory)
        state.write([])
        plan = _plan(settings, apps)
        _check_ports(plan.ports)
        if isinstance(plan.kafka, KafkaServer):
            plan.kafka.prepare()
        say(f"Starting; each process writes to {settings.directory / 'log'} ...")
        supervisor = Supervisor(plan.posts, state, say, lambda seconds: _announce(plan, seconds))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, supervisor.ask_to_stop)
        supervisor.run()
        say("Stopped")
    except OSError as error:
        raise DevstackError(f"The stack cannot go on: {error}") from error
    finally:
        StateFile(settings.directory).remove()
        lock.release()


def say(text: str) -> None:
    """Print one line at once; a terminal that has gone away is no reason to stop."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


@dataclass(frozen=True)
class _Plan:
    kafka: KafkaServer | RunningServer
    redis: RedisServer | RunningServer
    apps: list[AppProcess]
    ports: list[tuple[str, str, int]]
    """Variable, host and port of whatever this run will listen on."""

    @property
    def posts(self) -> list[Post]:
        # Redis first: Kafka's first start spends a second on formatting its directory.
        return [Post(self.redis), Post(self.kafka), *(Post(app, app.app.after) for app in self.apps)]


def _plan(settings: Settings, apps: Sequence[App]) -> _Plan:
    kafka: KafkaServer | RunningServer
    redis: RedisServer | RunningServer
    ports, log, host = [], settings.directory / "log", "127.0.0.1"
    if settings.kafka_bootstrap_servers:
        kafka = RunningServer(
            "kafka", settings.kafka_bootstrap_servers, "KAFKA_BOOTSTRAP_SERVERS", kafka_server.answers
        )
        bootstrap = settings.kafka_bootstrap_servers
    else:
        kafka = KafkaServer(
            settings.directory / "kafka",
            settings.cache,
            port=settings.kafka_port,
            controller_port=settings.kafka_controller_port,
            log=log / "kafka.log",
            say=say,
        )
        bootstrap = kafka.bootstrap
        ports += [("KAFKA_PORT", host, kafka.port), ("KAFKA_CONTROLLER_PORT", host, settings.kafka_controller_port)]
    if settings.redis_url:
        redis = RunningServer("redis", settings.redis_url, "REDIS_URL", redis_server.answers)
        url = settings.redis_url
    else:
        redis = RedisServer(settings.directory / "redis", port=settings.redis_port, log=log / "redis.log")
        url = redis.url
        ports.append(("REDIS_PORT", host, redis.port))
    issuer = Issuer(settings.directory)
    if settings.environ.get("AUTH") == "on":
        issuer.prepare()
    environ = (
        DEFAULTS
        | issuer.settings(settings.environ)
        | dict(settings.environ)
        | {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "REDIS_URL": url}
    )
    processes = [AppProcess(app, log / f"{app.name}.log", environ) for app in apps]
    ports += [(f"{process.app.prefix}_PORT", process.host, process.port) for process in processes]
    return _Plan(kafka, redis, processes, ports)


def _check_ports(ports: Sequence[tuple[str, str, int]]) -> None:
    """Listen on every port at once, for a moment.

    Raises:
        DevstackError: names every port that cannot be had.
    """
    faults = []
    with contextlib.ExitStack() as held:
        for variable, host, port in ports:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                held.enter_context(socket.create_server((host, port), family=family))
            except OSError as error:
                faults.append(f"{variable} {port} ({error.strerror})")
    if faults:
        raise DevstackError(
            f"Ports that cannot be had: {', '.join(faults)}; free them, or set these variables to other ports"
        )


def _announce(plan: _Plan, seconds: float) -> None:
    say(f"\nReady in {seconds:.1f} s; Ctrl-C stops everything.")
    for process in plan.apps:
        say(f"  {process.name:12} {process.url}{process.app.shown}")
    say(f"  {'kafka':12} {plan.kafka.url}")
    say(f"  {'redis':12} {plan.redis.url}")
    for process in plan.apps:
        if process.name == "command-api":
            say(_TRY.format(url=process.url))


def _interrupt_on(*numbers: int) -> None:
    """Let these signals do what Ctrl-C does until the supervisor takes over."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)
