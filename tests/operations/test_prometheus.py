"""A real Prometheus scrapes the running product: every query of the dashboard has data, and alerts fire."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from kafka import KafkaProducer

from devstack import servers
from tests.e2e.people import person
from tests.monitoring.expressions import without_variables
from tests.monitoring.test_dashboard import queries
from tests.operations.prometheus_server import PrometheusServer
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

JOBS = ("command-api", "query-api", "projector", "relay")
NEWER = b'{"specversion":"1.0","source":"/user-directory","type":"user.merged","dataschema":"user.merged/1"}'


@contextmanager
def watching(stack: Stack, directory: Path) -> Iterator[PrometheusServer]:
    urls = (stack.command_url, stack.query_url, stack.projector_url, stack.relay_url)
    server = PrometheusServer(directory, dict(zip(JOBS, urls, strict=True)))
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@contextmanager
def traffic(stack: Stack) -> Iterator[None]:
    """Write, read, list and follow the changes until the block ends."""
    done = threading.Event()

    def write_and_read() -> None:
        with httpx.Client(trust_env=False, timeout=15) as client:
            while not done.is_set():
                written = client.post(f"{stack.command_url}/users", json=person())
                headers = {"Consistency-Token": written.headers["Consistency-Token"], "Prefer": "wait=5"}
                client.get(f"{stack.query_url}{written.headers['Location']}", headers=headers).raise_for_status()
                client.get(f"{stack.query_url}/users", params={"limit": 1}).raise_for_status()

    def follow() -> None:
        timeout = httpx.Timeout(15, read=1)
        while not done.is_set():
            try:
                with httpx.Client(trust_env=False, timeout=timeout).stream("GET", f"{stack.query_url}/changes") as feed:
                    for _ in feed.iter_raw():
                        if done.is_set():
                            return
            except httpx.ReadTimeout:
                continue

    threads = [threading.Thread(target=write_and_read), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_every_query_of_the_dashboard_has_data(stack: Stack, tmp_path: Path) -> None:
    wanted = {f"{title}: {expression}": without_variables(expression) for title, _, expression in queries()}
    assert len(wanted) > 30
    with watching(stack, tmp_path) as prometheus, traffic(stack):

        def without_data() -> list[str]:
            return [name for name, expression in wanted.items() if not prometheus.query(expression)]

        prometheus.until(lambda: not without_data(), lambda: "\n".join(without_data()), seconds=60)
        assert {series["metric"]["job"] for series in prometheus.query("up == 1")} == set(JOBS)
        health = [rule["health"] for rule in _rules(prometheus)]
        assert set(health) == {"ok"}
        prometheus.until(lambda: not prometheus.firing(), lambda: str(prometheus.firing()), seconds=30)


def test_lag_a_guard_that_is_not_ready_and_a_projector_that_is_gone_raise_their_alerts(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    with (
        servers.redis() as redis,
        running_stack(kafka_bootstrap, redis.url, tmp_path) as stack,
        watching(stack, tmp_path) as prometheus,
    ):

        def fires(name: str, seconds: float, **labels: str) -> None:
            prometheus.until(lambda: name in prometheus.firing(), lambda: f"{name}: {prometheus.firing()}", seconds)
            assert labels.items() <= prometheus.firing()[name].items()

        prometheus.until(lambda: len(prometheus.query("up == 1")) == len(JOBS), lambda: "not scraped", seconds=30)
        # Until the first scrape nobody could be seen.
        prometheus.until(lambda: not prometheus.firing(), lambda: str(prometheus.firing()), seconds=30)

        producer = KafkaProducer(bootstrap_servers=kafka_bootstrap)
        producer.send(stack.events_topic, NEWER, b"newer", partition=2).get(10)
        producer.close()
        fires("UserDirectoryProjectorLags", 60, partition="2", severity="warning")

        redis.kill()
        fires("UserDirectoryWritesShutOut", 30, severity="critical")

        stack.projector.kill()
        fires("UserDirectoryProjectorGone", 30, severity="critical")


def _rules(prometheus: PrometheusServer) -> list[dict[str, str]]:
    groups = httpx.get(f"http://127.0.0.1:{prometheus.port}/api/v1/rules", trust_env=False).json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]
