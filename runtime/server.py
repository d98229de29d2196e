"""Run a Falcon app under gunicorn with uvicorn workers.

Importing this module imports neither the app nor the metrics: whether the metrics are shared among workers has to be
settled before that. The app is built in the worker, so that no client's socket or thread is there before the fork.
"""

import contextlib
import logging
import os
import pkgutil
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from uvicorn_worker import UvicornWorker

from runtime import startup
from runtime.direct_protocol import DirectProtocol
from runtime.graceful_server import FAREWELL_SECONDS, GracefulServer
from runtime.settings import HttpSettings
from runtime.startup import StartupError

if TYPE_CHECKING:
    from runtime.health_server import HealthServer

KEEP_ALIVE_SECONDS: Final = 75
BACKLOG: Final = 2048
# After the last request, for the clients to be closed before the arbiter kills what is left.
CLOSING_SECONDS: Final = 5

log = logging.getLogger(__name__)


def run(
    factory: str, settings: HttpSettings, *, host: str, port: int, check: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM, then let requests in flight finish for `drain_seconds`.

    `factory` names a function as "package.module:function"; each worker calls it with the settings and serves the
    ASGI app that it returns. `check` is called once, before the address is taken, and may import what it likes.
    `logs.configure` comes before.

    Raises:
        StartupError: the address is taken, or the check, a worker's factory or a startup hook raised it.
    """
    metrics_directory = _share_metrics() if settings.web_concurrency > 1 else None
    try:
        check()
        _allow_connections()
        listener = _listen(host, port)
    except BaseException:
        _discard(metrics_directory)
        raise
    _Server(factory, settings, listener, metrics_directory).run()


def serve_health(
    host: str,
    port: int,
    checks: Mapping[str, Callable[[], str | None]],
    alive: Callable[[], str | None] = lambda: None,
) -> "HealthServer":
    """Serve /healthz, /readyz and /metrics from threads, for a process that is no HTTP service itself.

    A check gives None when all is well, else a short reason; `alive` is that of /healthz, after whose failure the
    process is restarted. Port 0 takes a free one.

    Raises:
        StartupError: the address is taken.
    """
    from runtime.health_server import HealthServer  # imports the metrics, see above

    return HealthServer(_listen(host, port), checks, alive)


class _ServerLog(Logger):
    """Gunicorn's own records, through our handlers; its access log stays silent, the middleware writes one."""

    def setup(self, cfg: Config) -> None:
        """Replace gunicorn's handlers by ours."""
        self.cfg = cfg
        self.error_log.setLevel(logging.WARNING)
        self.error_log.handlers = logging.getLogger().handlers[:]
        self.error_log.filters = [_StartupFailure()]
        self.access_log.handlers = []


class _StartupFailure(logging.Filter):
    """Drops what the arbiter says about a worker that could not start: the StartupError says it in one line."""

    _failed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let records pass until a worker has exited for that reason; from then on the arbiter only shuts down."""
        if isinstance(record.args, tuple) and record.args[1:] == (Arbiter.APP_LOAD_ERROR,):
            self._failed = True
        return not self._failed


class _Worker(UvicornWorker):  # type: ignore[misc]
    """A uvicorn worker with what our services need and nothing else on a request's way."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": DirectProtocol,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "server_header": False,
        # Wraps the app for every request, to find a client address that nothing here uses.
        "proxy_headers": False,
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout - FAREWELL_SECONDS - CLOSING_SECONDS
        logging.getLogger("uvicorn.error").addFilter(lambda _: startup.remembered() is None)

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = GracefulServer(config=self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def run(self) -> None:
        """Serve; a StartupError of a startup hook leaves the way that one of the factory does."""
        startup.quieten_collector()
        try:
            super().run()
        except SystemExit:
            if (error := startup.remembered()) is not None:
                self.app.give_up(error)
            raise


class _Server(BaseApplication):
    """Gunicorn, set up by our settings and by nothing else."""

    def __init__(
        self, factory: str, settings: HttpSettings, listener: socket.socket, metrics_directory: str | None
    ) -> None:
        self._factory = factory
        self._settings = settings
        self._listener = listener
        self._address = listener.getsockname()
        # The workers' startup errors; the arbiter prints the first, so that several workers make one line.
        self._errors, self._report = os.pipe()
        os.set_blocking(self._errors, False)
        self._metrics_directory = metrics_directory
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        options = {
            "bind": f"fd://{self._listener.detach()}",
            "workers": self._settings.web_concurrency,
            "worker_class": _Worker,
            "logger_class": _ServerLog,
            "keepalive": KEEP_ALIVE_SECONDS,
            "backlog": BACKLOG,
            "graceful_timeout": self._settings.drain_seconds + FAREWELL_SECONDS + CLOSING_SECONDS,
            "control_socket_disable": True,
            "when_ready": self._when_ready,
            "child_exit": self._child_exit,
            "on_exit": self._on_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run the arbiter to its end."""
        arbiter = Arbiter(self)
        try:
            arbiter.run()
        except HaltServer as halted:
            # Gunicorn does not expect a second worker to fail while it stops because of the first. Each round reaps one
            # more and ends in an exit, or in _on_exit's StartupError, when none is left.
            while True:
                with contextlib.suppress(HaltServer):
                    arbiter.halt(halted.reason, halted.exit_status)

    def load(self) -> Any:
        """Build the app; runs in the worker."""
        try:
            return pkgutil.resolve_name(self._factory)(self._settings)
        except StartupError as error:
            self.give_up(error)

    def give_up(self, error: StartupError) -> None:
        """End this worker, and with it the server, for a reason that a restart of the worker would not change."""
        os.write(self._report, startup.one_line(error).encode()[:4000] + b"\n")
        sys.exit(Arbiter.APP_LOAD_ERROR)

    def _when_ready(self, _arbiter: Arbiter) -> None:
        host, port = self._address[:2]
        log.info("listening", extra={"host": host, "port": port, "workers": self._settings.web_concurrency})

    def _child_exit(self, _arbiter: Arbiter, worker: Worker) -> None:
        if self._metrics_directory is not None:
            from prometheus_client import multiprocess

            multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]

    def _on_exit(self, _arbiter: Arbiter) -> None:
        _discard(self._metrics_directory)
        try:
            reports = os.read(self._errors, 4096)
        except BlockingIOError:
            log.info("stopped")
        else:
            raise StartupError(reports.splitlines()[0].decode(errors="replace"))


def _allow_connections() -> None:
    """Raise the soft limit of open files, often 1,024, to the hard one: each connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    """Bind before gunicorn does: it would try for five seconds and log each time."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # create_server adds the address to the reason, which is in the message already.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        message = f"cannot listen on {host}:{port}: {reason}; stop what uses the address or set another one"
        raise StartupError(message) from error


def _share_metrics() -> str:
    """Make the workers share their metrics through files in a fresh directory, so that no former start's count in."""
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before the server could set PROMETHEUS_MULTIPROC_DIR")
    directory = tempfile.mkdtemp(prefix="user-directory-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    return directory


def _discard(metrics_directory: str | None) -> None:
    if metrics_directory is not None:
        shutil.rmtree(metrics_directory, ignore_errors=True)
