import pytest

from query_api.settings import QuerySettings
from runtime.settings import SettingsError, load


def test_everything_has_a_default() -> None:
    settings = load(QuerySettings, {"PATH": "/bin"})

    assert (settings.query_api_host, settings.query_api_port) == ("127.0.0.1", 8002)


def test_faults_name_their_variables() -> None:
    with pytest.raises(SettingsError, match=r"QUERY_API_PORT .*REDIS_URL|REDIS_URL .*QUERY_API_PORT"):
        load(QuerySettings, {"QUERY_API_PORT": "0", "REDIS_URL": "http://x"})
