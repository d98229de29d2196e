import pytest

from read_models.feed import Change, FeedEntry, FeedPosition, InvalidFeedPosition, changes_in
from tests.sample_events import user_id

LOG = "01936e09-11aa-7b22-8c33-1d44e55f6677"


def test_a_position_comes_back_from_its_text() -> None:
    position = FeedPosition(LOG, (17, 0, 4, 1284))

    assert str(position) == f"{LOG}.17.0.4.1284"
    assert FeedPosition.parse(str(position)) == position


@pytest.mark.parametrize(
    "text", ["", LOG, f"{LOG}.", f"{LOG}.1.", f"{LOG}.-1", f"{LOG}.1-2", f" {LOG}.1", f"{LOG}.1\n", "x.1", f"{LOG}.١"]
)
def test_anything_else_is_no_position(text: str) -> None:
    with pytest.raises(InvalidFeedPosition):
        FeedPosition.parse(text)


def test_who_has_seen_an_offset_is_behind_it_in_its_partition_only() -> None:
    position = FeedPosition(LOG, (1, 2, 3))

    assert position.after(1, 7).offsets == (1, 8, 3)
    assert position.after(0, 7).offsets == (8, 2, 3)
    assert position.after(2, 7).offsets == (1, 2, 8)


def test_a_position_includes_another_that_is_ahead_of_it_nowhere() -> None:
    position = FeedPosition(LOG, (1, 2))

    assert position.includes(position)
    assert position.includes(FeedPosition(LOG, (0, 2)))
    assert not position.includes(FeedPosition(LOG, (0, 3)))


def test_an_entry_comes_back_from_its_bytes_whatever_the_event_holds() -> None:
    entry = FeedEntry("user.updated", user_id(), '{"data":{"display_name":"a b Ä"}}'.encode())

    assert FeedEntry.decode(entry.encode()) == entry


def test_changes_are_read_from_what_redis_answers() -> None:
    entry = FeedEntry("user.deleted", user_id(), b"{}")

    assert changes_in(3, [(b"17-1", [b"e", entry.encode()])]) == [Change(3, 17, entry)]
