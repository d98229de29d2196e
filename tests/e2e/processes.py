"""More processes beside the shared stack's, and what they tell of themselves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from devstack.servers import free_port
from devstack.table import APPS, AppProcess
from tests.stack import Stack

TIMEOUT_SECONDS = 15


@contextmanager
def another(stack: Stack, name: str, directory: Path, **settings: str) -> Iterator[AppProcess]:
    """Run one more process of a stack, on a port of its own, until the block ends.

    Args:
        stack: the stack.
        name: `projector`, `command-api`, `query-api` or `relay`.
        directory: where the log goes.
        settings: variables of the environment that differ from the stack's.
    """
    app = next(app for app in APPS if app.name == name)
    environ = stack.environ_of(name) | {f"{app.prefix}_PORT": str(free_port())} | settings
    process = AppProcess(app, directory / f"another-{name}.log", environ)
    process.start()
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


def samples(url: str, name: str) -> list[tuple[dict[str, str], float]]:
    """Return the samples of a metric: labels and value."""
    text = httpx.get(f"{url}/metrics", trust_env=False, verify=False).raise_for_status().text
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"user_directory_{name}"
    ]


def metric(url: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    return sum(value for found, value in samples(url, name) if labels.items() <= found.items())


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Ask until it holds, or fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
