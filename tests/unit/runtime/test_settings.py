from typing import Any

import pytest
from pydantic import ValidationError

from runtime.settings import HttpSettings, KafkaSettings, LogSettings, RedisSettings, SettingsError, load


class _Process(KafkaSettings, RedisSettings, LogSettings, HttpSettings):
    pass


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load(_Process, {"PATH": "/bin"})
    assert (settings.kafka_partitions, settings.web_concurrency, settings.log_file) == (12, 1, None)


def test_variables_are_read_by_their_upper_case_names() -> None:
    settings = load(_Process, {"KAFKA_PARTITIONS": "4", "ACCESS_LOG": "false", "PUBLIC_URL": "https://users.example"})
    assert (settings.kafka_partitions, settings.access_log) == (4, False)
    assert str(settings.public_url) == "https://users.example/"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(LogSettings, {"LOG_FILE": "", "LOG_FORMAT": ""}) == LogSettings()


def test_the_process_environment_is_the_default_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_KEY_PREFIX", "other")
    assert load(RedisSettings).redis_key_prefix == "other"


def test_an_empty_mapping_does_not_fall_back_to_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_KEY_PREFIX", "other")
    assert load(RedisSettings, {}).redis_key_prefix == "user-directory"


def test_building_settings_directly_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_KEY_PREFIX", "other")
    assert RedisSettings().redis_key_prefix == "user-directory"


def test_all_faults_are_reported_together_in_one_line() -> None:
    environ = {
        "KAFKA_PARTITIONS": "many",
        "LOG_FORMAT": "xml",
        "MAX_BODY_BYTES": "1",
        "KAFKA_BOOTSTRAP_SERVERS": "here",
    }
    with pytest.raises(SettingsError) as caught:
        load(_Process, environ)
    message = str(caught.value)
    assert "\n" not in message
    assert "KAFKA_PARTITIONS must be a whole number" in message
    assert "LOG_FORMAT must be 'json' or 'rfc5424'" in message
    assert "MAX_BODY_BYTES must be 1024 or more" in message
    assert "KAFKA_BOOTSTRAP_SERVERS must be host:port addresses, separated by commas" in message


@pytest.mark.parametrize("url", ["localhost", "http://localhost:6379", "redis//x"])
def test_a_url_that_is_not_of_redis_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(RedisSettings, {"REDIS_URL": url})
    assert "REDIS_URL must be a URL starting with" in str(caught.value)
    assert url not in str(caught.value)


@pytest.mark.parametrize("servers", ["a:1", "a:1,b:2", "[::1]:9092"])
def test_lists_of_brokers_are_taken(servers: str) -> None:
    assert load(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": servers}).kafka_bootstrap_servers == servers


def test_settings_are_frozen() -> None:
    settings: Any = LogSettings()
    with pytest.raises(ValidationError):
        settings.log_level = "debug"
