"""Kafka and Redis for the tests, always real ones; this file alone decides which.

Each is taken from the environment where it is named there, else from a container where a Docker engine answers, else
from the devstack. None is ever missing: a test that needs one and cannot get it fails. With `--secure` both come from
the devstack, talk TLS, and ask each process of a stack for its own name.
"""

import functools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devstack import servers
from tests.guarded import Access, Guarded, Open
from tests.stack import Stack, running_stack

_KAFKA_IMAGE, _REDIS_IMAGE = "apache/kafka:4.3.1", "redis:8"
_KAFKA_PORT = 9092


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what chooses the servers."""
    parser.addoption(
        "--secure", action="store_true", help="Kafka and Redis with TLS, and a name with least rights for each process"
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Say where Kafka and Redis come from."""
    if config.getoption("secure"):
        return "Kafka: devstack with TLS, SCRAM and ACLs, Redis: devstack with TLS and ACLs"
    return f"Kafka: {_source('KAFKA_BOOTSTRAP_SERVERS')}, Redis: {_source('REDIS_URL')}"


@pytest.fixture(scope="session")
def make_access(request: pytest.FixtureRequest) -> Callable[[Path], Access]:
    """Return what makes access to servers of a test's own; its files lie in the folder that it is given."""
    return Guarded if request.config.getoption("secure") else lambda _: Open()


@pytest.fixture(scope="session")
def access(make_access: Callable[[Path], Access], tmp_path_factory: pytest.TempPathFactory) -> Access:
    """Return access to the servers that all tests share, for each stack to be given."""
    return make_access(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="session")
def kafka_bootstrap(access: Access) -> Iterator[str]:
    """Return the address of a running Kafka; use topics and groups of your own, named afresh."""
    if isinstance(access, Guarded):
        with access.kafka() as server:
            yield server.bootstrap
    else:
        with _kafka(_source("KAFKA_BOOTSTRAP_SERVERS")) as address:
            yield address


@pytest.fixture(scope="session")
def redis_url(access: Access) -> Iterator[str]:
    """Return the URL of a running Redis; use a key prefix of your own, named afresh."""
    if isinstance(access, Guarded):
        with access.redis() as server:
            yield server.url
    else:
        with _redis(_source("REDIS_URL")) as url:
            yield url


@pytest.fixture(scope="session")
def stack(
    kafka_bootstrap: str, redis_url: str, access: Access, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Return the product's processes, shared by all tests: leave them running, and use users of your own."""
    with running_stack(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("stack"), access) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of the processes' logs beside the failure of a test that used them."""
    if call.excinfo is not None and isinstance(item, pytest.Function):
        for used in item.funcargs.values():
            for name, tail in used.tails().items() if isinstance(used, Stack) else ():
                item.add_report_section(call.when, f"log of {name}", tail)
    return (yield)


@functools.cache
def _source(variable: str) -> str:
    """Decide where a server comes from."""
    if os.environ.get(variable):
        return variable
    return "container" if _docker_answers() else "devstack"


@functools.cache
def _docker_answers() -> bool:
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    try:
        # It finds the engine as testcontainers will: DOCKER_HOST, the chosen context, the usual sockets.
        return bool(DockerClient(timeout=5).client.ping())
    except (DockerException, OSError):
        return False


@contextmanager
def _kafka(source: str) -> Iterator[str]:
    if source == "devstack":
        with servers.kafka() as server:
            yield server.bootstrap
    elif source == "container":
        with _kafka_container() as address:
            yield address
    else:
        yield os.environ[source]


@contextmanager
def _redis(source: str) -> Iterator[str]:
    if source == "devstack":
        with servers.redis() as server:
            yield server.url
    elif source == "container":
        from testcontainers.community.redis import RedisContainer

        with RedisContainer(_REDIS_IMAGE) as container:
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
    else:
        yield os.environ[source]


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    # A client goes to the address that the broker gives it, so the port outside must be known before the start.
    port = servers.free_port()
    container = DockerContainer(_KAFKA_IMAGE).with_bind_ports(_KAFKA_PORT, port)
    address = f"{container.get_docker_client().host()}:{port}"
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{_KAFKA_PORT},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{address}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
    for name, value in settings.items():
        container.with_env(name, value)
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(60))
    with container:
        yield address
