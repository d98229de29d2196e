import pytest

from command_api.commands import IfMatch
from command_api.preconditions import InvalidPrecondition, parse_if_match


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        ("*", "*"),
        (" * ", "*"),
        ('"3"', frozenset({3})),
        (' "3" ', frozenset({3})),
        ('"3", "4"', frozenset({3, 4})),
        ('"3","4"', frozenset({3, 4})),
        # If-Match compares strongly: a weak tag matches nothing, and neither does another service's.
        ('W/"3"', frozenset()),
        ('W/"3", "4"', frozenset({4})),
        ('"abc"', frozenset()),
        ('""', frozenset()),
        ('"-1"', frozenset()),
        ('"٣"'.encode().decode("latin-1"), frozenset()),
        ('"' + "9" * 5000 + '"', frozenset()),
    ],
)
def test_a_header_names_the_versions_that_it_accepts(header: str | None, versions: IfMatch) -> None:
    assert parse_if_match(header) == versions


@pytest.mark.parametrize("header", ["", "3", "'3'", '"3', '3"', '"3" "4"', '"3",', ',"3"', "*, *", 'w/"3"', '"a"b"'])
def test_what_is_no_list_of_entity_tags_is_refused(header: str) -> None:
    with pytest.raises(InvalidPrecondition):
        parse_if_match(header)
