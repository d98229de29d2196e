from pathlib import Path

import pytest

from devstack import settings
from devstack.errors import DevstackError


def test_defaults_are_the_documented_ports_under_var() -> None:
    found = settings.from_environ({})

    assert (found.kafka_port, found.kafka_controller_port, found.redis_port) == (9092, 9093, 6379)
    assert found.directory == Path("var").absolute()
    assert found.cache == found.directory / "cache"
    assert found.kafka_bootstrap_servers is None
    assert found.redis_url is None


def test_an_empty_variable_counts_as_unset() -> None:
    found = settings.from_environ({"KAFKA_PORT": "", "REDIS_URL": "", "DEVSTACK_DIR": ""})

    assert found.kafka_port == 9092
    assert found.redis_url is None
    assert found.environ == {}


def test_the_cache_follows_the_directory_unless_it_is_named(tmp_path: Path) -> None:
    assert settings.from_environ({"DEVSTACK_DIR": str(tmp_path)}).cache == tmp_path / "cache"
    assert settings.from_environ({"DEVSTACK_CACHE": str(tmp_path)}).cache == tmp_path


def test_every_bad_port_is_named_in_one_line() -> None:
    with pytest.raises(DevstackError) as caught:
        settings.from_environ({"KAFKA_PORT": "kafka", "REDIS_PORT": "70000", "KAFKA_CONTROLLER_PORT": "²"})

    message = str(caught.value)
    assert all(name in message for name in ("KAFKA_PORT", "REDIS_PORT", "KAFKA_CONTROLLER_PORT"))
    assert "\n" not in message
