from projector.relay_selection import LogEvent, Projected, PublicChange, PublicState, oldest_first, select
from tests.sample_events import discard, event_id, registered, replay, updated, user_id


def entry(offset: int, *, partition: int = 0, timestamp: int = 0, user: int = 1) -> LogEvent:
    return LogEvent(partition, offset, timestamp or offset, registered(offset + 1, user=user))


def test_accepted_events_are_told_in_the_order_of_the_log_and_void_ones_are_not() -> None:
    events = [entry(0), entry(1, user=2), entry(2, user=3)]
    projected = Projected(frozenset({(0, 0), (0, 2)}), {user_id(1): b"{}", user_id(3): None})

    changes, states, void = select(events, projected)

    assert changes == [PublicChange(0, 0, registered(1)), PublicChange(0, 2, registered(3, user=3))]
    assert states == [PublicState(0, user_id(1), b"{}"), PublicState(0, user_id(3), None)]
    assert void == [events[1]]


def test_a_decision_about_the_quarantine_is_no_change_but_may_make_another_state() -> None:
    events = [LogEvent(0, 0, 0, discard(event_id(7))), LogEvent(0, 1, 1, replay(user=2))]

    changes, states, void = select(events, Projected(frozenset(), {user_id(1): b"{}", user_id(2): None}))

    assert (changes, void) == ([], [])
    assert states == [PublicState(0, user_id(1), b"{}"), PublicState(0, user_id(2), None)]


def test_of_several_changes_of_a_user_one_state_is_told() -> None:
    events = [entry(0), LogEvent(0, 1, 1, updated(fields={"display_name": "Jo"}))]
    _, states, _ = select(events, Projected(frozenset({(0, 0), (0, 1)}), {user_id(1): b"{}"}))
    assert states == [PublicState(0, user_id(1), b"{}")]


def test_an_event_of_the_same_offset_in_another_partition_is_another_event() -> None:
    changes, _, void = select([entry(3, partition=1)], Projected(frozenset({(0, 3)}), {}))
    assert (changes, len(void)) == ([], 1)


def test_the_oldest_come_first_and_each_partition_in_its_own_order() -> None:
    # The broker's clock went back between the first two of partition 0.
    first = [entry(0, timestamp=50), entry(1, timestamp=10), entry(2, timestamp=90)]
    second = [entry(0, partition=1, timestamp=20), entry(1, partition=1, timestamp=60)]

    found = [(e.partition, e.offset) for e in oldest_first([first, second], 4)]

    assert found == [(1, 0), (0, 0), (0, 1), (1, 1)]
