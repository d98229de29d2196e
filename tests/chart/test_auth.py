"""Who is let in, as the chart sets it up."""

from pathlib import Path

import pytest

from tests.chart.rendering import DIRECTORY, RenderError, render

GATEWAY, STRIMZI = (DIRECTORY / "ci" / f"{name}-values.yaml" for name in ("gateway", "strimzi"))
MINIMAL, DEV = DIRECTORY / "ci" / "minimal-values.yaml", DIRECTORY / "values-dev.yaml"


def settings(values: Path, *sets: str) -> dict[str, str]:
    found = render(values, *sets).one("ConfigMap", "settings")["data"]
    return {name: value for name, value in found.items() if name.startswith("AUTH")}


def test_tokens_are_asked_for_by_default() -> None:
    assert settings(MINIMAL) == {
        "AUTH": "on",
        "AUTH_ISSUER": "https://issuer.example.org",
        "AUTH_AUDIENCE": "user-directory",
        "AUTH_JWKS_URL": "https://issuer.example.org/jwks.json",
    }


@pytest.mark.parametrize("missing", ["auth.issuer=", "auth.jwksUrl="])
def test_a_release_that_would_let_nobody_in_is_refused(missing: str) -> None:
    with pytest.raises(RenderError, match=r"auth\.enabled=false"):
        render(MINIMAL, missing)


def test_keys_are_not_fetched_without_tls() -> None:
    with pytest.raises(RenderError, match="jwksUrl"):
        render(MINIMAL, "auth.jwksUrl=http://issuer.example.org/jwks.json")


def test_for_a_look_everybody_is_let_in_and_both_settings_say_so() -> None:
    assert settings(DEV) == {"AUTH": "off", "AUTH_OFF_ON_ANY_ADDRESS": "true"}


def test_keys_from_a_secret_reach_those_who_check_tokens_and_nobody_else() -> None:
    assert settings(STRIMZI)["AUTH_JWKS_FILE"] == "/etc/user-directory/keys/jwks.json"
    mounted = {
        name
        for name, template in render(STRIMZI).pods()
        for volume in template["spec"]["volumes"]
        if volume.get("secret") == {"secretName": "issuer-keys"}
    }
    assert {name.rpartition("user-directory-")[2] for name in mounted} == {"command-api", "query-api"}


def test_only_those_who_fetch_the_keys_may_reach_the_issuer() -> None:
    def reaches(component: str, values: Path) -> bool:
        egress = render(values).one("NetworkPolicy", component)["spec"]["egress"]
        return any(rule["ports"] == [{"port": 443}] for rule in egress)

    assert [reaches(name, GATEWAY) for name in ("command-api", "query-api", "projector")] == [True, True, False]
    assert not reaches("command-api", STRIMZI)
    assert not reaches("command-api", DEV)
