"""A process that cannot start says why and what to do in one line, and does not stay."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from devstack import servers
from tests.stack import Stack

RELAY = "projector relay"
ALL = ("projector", RELAY, "command_api", "query_api")
WITH_KAFKA = ("projector", RELAY, "command_api")
# The relay waits for Redis, which it only reads.
WRITING_REDIS = ("projector", "command_api")


def refusal(module: str, environ: Mapping[str, str]) -> str:
    """Start a process that cannot; return the one line that it says."""
    done = subprocess.run(
        [sys.executable, "-m", *module.split()], env=environ, capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("module", ALL)
def test_bad_settings_are_all_named(stack: Stack, module: str) -> None:
    bad = {"REDIS_URL": "localhost", "LOG_FORMAT": "xml", "REDIS_KEY_PREFIX": "a b"}
    line = refusal(module, stack.environ | bad)
    for name in bad:
        assert name in line


@pytest.mark.parametrize("module", WITH_KAFKA)
def test_another_partition_count_than_the_logs(stack: Stack, module: str) -> None:
    line = refusal(module, stack.environ | {"KAFKA_PARTITIONS": "5"})
    assert "4 partitions" in line
    assert "KAFKA_PARTITIONS" in line


@pytest.mark.parametrize("module", WITH_KAFKA)
def test_a_topic_with_another_configuration(stack: Stack, module: str) -> None:
    line = refusal(module, stack.environ | {"KAFKA_MIN_INSYNC_REPLICAS": "2"})
    assert "min.insync.replicas=1" in line


@pytest.mark.parametrize("module", WITH_KAFKA)
def test_no_kafka(stack: Stack, module: str) -> None:
    nobody = f"127.0.0.1:{servers.free_port()}"
    line = refusal(module, stack.environ | {"KAFKA_BOOTSTRAP_SERVERS": nobody, "STARTUP_WAIT_SECONDS": "1"})
    assert nobody in line
    assert "KAFKA_BOOTSTRAP_SERVERS" in line


@pytest.mark.parametrize("module", WRITING_REDIS)
def test_no_redis(stack: Stack, module: str) -> None:
    nobody = f"redis://127.0.0.1:{servers.free_port()}/0"
    line = refusal(module, stack.environ | {"REDIS_URL": nobody, "STARTUP_WAIT_SECONDS": "1"})
    assert "REDIS_URL" in line


@pytest.mark.parametrize("module", WRITING_REDIS)
def test_a_redis_that_would_forget(stack: Stack, module: str) -> None:
    with servers.redis(options={"maxmemory-policy": "allkeys-lru"}) as forgetful:
        line = refusal(module, stack.environ | {"REDIS_URL": forgetful.url})
    assert "allkeys-lru" in line
    assert "noeviction" in line


@pytest.mark.parametrize("module", ALL)
def test_a_taken_port(stack: Stack, module: str) -> None:
    prefix = module.rsplit(maxsplit=1)[-1].upper()
    assert f"127.0.0.1:{stack.environ[f'{prefix}_PORT']}" in refusal(module, stack.environ)


@pytest.mark.parametrize("module", ["projector", RELAY])
def test_a_redis_of_another_log(stack: Stack, module: str) -> None:
    ports = {name: str(servers.free_port()) for name in ("PROJECTOR_PORT", "RELAY_PORT")}
    other = {"EVENTS_TOPIC": f"{stack.events_topic}-{module.rsplit(maxsplit=1)[-1]}"}
    assert "REDIS_KEY_PREFIX" in refusal(module, stack.environ | ports | other)
