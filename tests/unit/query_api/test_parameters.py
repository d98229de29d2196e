import pytest

from query_api.parameters import read_user_id, refuse_all
from runtime.problems import Problem


def test_an_id_may_be_of_any_version_and_either_case() -> None:
    assert read_user_id("01936E0A-7A3C-7D2E-9F4B-5C8D1E2F3A4B") == "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b"
    assert read_user_id("00000000-0000-0000-0000-000000000000") == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "01936e0a7a3c7d2e9f4b5c8d1e2f3a4b",
        "{01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b}",
        "urn:uuid:01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
        "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b\n",
        "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4",
        "٠1936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
    ],
)
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_user_id(text)

    assert caught.value.slug == "invalid-parameter"
    assert [error.pointer for error in caught.value.errors] == ["/id"]


def test_where_there_are_no_parameters_each_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        refuse_all({"version": "1", "at": "now"})

    assert [error.parameter for error in caught.value.errors] == ["version", "at"]


def test_a_cursor_where_there_is_none_is_an_unknown_parameter() -> None:
    with pytest.raises(Problem) as caught:
        refuse_all({"cursor": "x"})

    assert caught.value.slug == "invalid-parameter"
