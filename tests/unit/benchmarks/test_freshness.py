from benchmarks.freshness import Sightings, lags


def test_a_record_is_visible_once_the_position_is_beyond_it() -> None:
    sightings = Sightings({0: [(1000, 5), (1010, 6), (1030, 9)]})

    assert lags({0: [(1004, 5), (1007, 6), (1029, 7), (1029.5, 8)]}, sightings) == [0.5, 1, 6, 23]


def test_what_was_visible_before_the_watch_began_does_not_count() -> None:
    sightings = Sightings({0: [(1000, 5), (1010, 6)], 1: [(1000, 2)]})

    assert lags({0: [(900, 4), (1004, 5)], 1: [(900, 1)]}, sightings) == [6]


def test_offsets_without_records_and_clocks_that_round_up_are_no_trouble() -> None:
    sightings = Sightings({0: [(1000, 0), (1010.5, 4)], 1: [(1000, 3), (1001, 4)]})

    assert lags({0: [(1009, 3)], 1: []}, sightings) == [1.5]
    assert lags({0: [(1011, 3)], 1: []}, sightings) == [0]
