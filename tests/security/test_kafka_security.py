"""How the settings make clients encrypt what they say to Kafka, and show who they are."""

from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from runtime.kafka_connection import options
from runtime.kafka_token import TokenFile
from runtime.settings import KafkaSettings, SettingsError, load
from runtime.startup import StartupError

NAMED: dict[str, Any] = {"kafka_sasl_username": "projector", "kafka_sasl_password": "sesame"}


def security(**settings: Any) -> dict[str, Any]:
    found = options(KafkaSettings(**settings), "test")
    return {name: value for name, value in found.items() if name.startswith(("security", "ssl", "sasl"))}


def test_nothing_is_encrypted_by_default() -> None:
    assert security(**NAMED) == {"security_protocol": "PLAINTEXT"}


def test_a_name_is_shown_within_an_encrypted_connection(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    assert security(kafka_security_protocol="SASL_SSL", kafka_ssl_cafile=str(authority), **NAMED) == {
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(authority),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "projector",
        "sasl_plain_password": "sesame",
    }


def test_a_certificate_of_our_own_is_shown(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    files = {"kafka_ssl_certfile": str(tmp_path / "cert.pem"), "kafka_ssl_keyfile": str(tmp_path / "key.pem")}
    assert security(kafka_security_protocol="SSL", **files) == {
        "security_protocol": "SSL",
        "ssl_certfile": files["kafka_ssl_certfile"],
        "ssl_keyfile": files["kafka_ssl_keyfile"],
    }


@pytest.mark.parametrize("missing", NAMED)
def test_a_name_without_a_password_is_noticed_at_once(missing: str) -> None:
    given = {name: value for name, value in NAMED.items() if name != missing}
    with pytest.raises(StartupError, match="KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"):
        security(kafka_security_protocol="SASL_PLAINTEXT", **given)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(StartupError, match="KAFKA_SSL_CAFILE /nowhere cannot be read"):
        security(kafka_security_protocol="SSL", kafka_ssl_cafile="/nowhere")


def test_a_token_is_shown_as_it_stands_in_the_file_then(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    found = security(
        kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="OAUTHBEARER", kafka_sasl_token_file=str(file)
    )
    assert found.keys() == {"security_protocol", "sasl_mechanism", "sasl_oauth_token_provider"}
    assert found["sasl_oauth_token_provider"].token() == "first"
    file.write_text("second")
    assert found["sasl_oauth_token_provider"].token() == "second"


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read"), (b"", "is empty"), ("tökén".encode(), "cannot be read")]
)
def test_without_a_token_a_connection_fails_for_now(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KafkaConnectionError, match=says) as failed:
        TokenFile(str(file)).token()
    assert failed.value.retriable


@pytest.mark.parametrize(("path", "says"), [(None, "is not set"), ("/nowhere", "/nowhere cannot be read")])
def test_a_token_file_that_is_missing_is_noticed_at_once(path: str | None, says: str) -> None:
    with pytest.raises(StartupError, match=f"KAFKA_SASL_TOKEN_FILE {says}"):
        security(
            kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="OAUTHBEARER", kafka_sasl_token_file=path, **NAMED
        )


def test_the_password_is_in_no_text_made_of_the_settings() -> None:
    settings = load(KafkaSettings, {"KAFKA_SASL_PASSWORD": "sesame"})
    assert "sesame" not in f"{settings!r} {settings}"


def test_a_protocol_that_kafka_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="KAFKA_SECURITY_PROTOCOL"):
        load(KafkaSettings, {"KAFKA_SECURITY_PROTOCOL": "TLS"})
