"""What a process says that does not know whom to let in."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtime import access
from runtime.settings import AuthSettings, SettingsError, load
from runtime.startup import StartupError
from tests.security.tokens import EC

ON: dict[str, Any] = {"auth_issuer": "https://issuer.example.org", "auth_audience": "user-directory"}


def test_a_process_that_was_told_nothing_lets_nobody_in_and_says_so() -> None:
    with pytest.raises(StartupError) as refused:
        access.check(AuthSettings(), "127.0.0.1")
    line = str(refused.value)
    assert all(name in line for name in ("AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL or AUTH_JWKS_FILE", "AUTH=off"))
    assert "\n" not in line


@pytest.mark.parametrize("left_out", ["auth_issuer", "auth_audience", "auth_jwks_url"])
def test_what_is_missing_is_named(left_out: str) -> None:
    given = {
        name: value for name, value in {**ON, "auth_jwks_url": "https://i.example.org/k"}.items() if name != left_out
    }
    with pytest.raises(StartupError, match=left_out.upper()):
        access.check(AuthSettings(**given), "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_on_loopback_one_setting_lets_everybody_in(host: str) -> None:
    access.check(AuthSettings(auth="off"), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "directory.example.org", "localhost.example.org", ""])
def test_elsewhere_it_takes_two(host: str) -> None:
    with pytest.raises(StartupError, match="AUTH_OFF_ON_ANY_ADDRESS=true"):
        access.check(AuthSettings(auth="off"), host)
    access.check(AuthSettings(auth="off", auth_off_on_any_address=True), host)


def test_the_second_setting_alone_lets_nobody_in() -> None:
    with pytest.raises(StartupError, match="AUTH_ISSUER"):
        access.check(AuthSettings(auth_off_on_any_address=True), "127.0.0.1")


@pytest.mark.parametrize("content", [None, "", "{}", '{"keys": []}'])
def test_a_file_of_keys_that_cannot_be_used_is_noticed_at_once(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "jwks.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StartupError, match="AUTH_JWKS_FILE cannot be used"):
        access.check(AuthSettings(**ON, auth_jwks_file=str(file)), "0.0.0.0")
    file.write_text(json.dumps({"keys": [EC.as_dict(private=False)]}))
    access.check(AuthSettings(**ON, auth_jwks_file=str(file)), "0.0.0.0")


def test_two_sources_of_keys_are_one_too_many() -> None:
    with pytest.raises(StartupError, match="both set"):
        access.check(AuthSettings(**ON, auth_jwks_file="x", auth_jwks_url="https://i.example.org/k"), "127.0.0.1")


def test_an_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(StartupError, match="AUTH_JWKS_CA_FILE"):
        access.check(
            AuthSettings(**ON, auth_jwks_url="https://i.example.org/k", auth_jwks_ca_file=str(missing)), "127.0.0.1"
        )


@pytest.mark.parametrize(
    "url", ["http://issuer.example.org/k", "ftp://127.0.0.1/k", "file:///etc/passwd", "https://", "x"]
)
def test_keys_are_not_taken_from_where_anybody_could_change_them(url: str) -> None:
    with pytest.raises(SettingsError, match="AUTH_JWKS_URL"):
        load(AuthSettings, {"AUTH_JWKS_URL": url})


def test_a_word_that_is_neither_on_nor_off_is_refused() -> None:
    with pytest.raises(SettingsError, match="AUTH must be 'on' or 'off'"):
        load(AuthSettings, {"AUTH": "none"})
