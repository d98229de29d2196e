from read_models.ids import raw_id
from read_models.keys import Keys
from read_models.listing import SORTS
from tests.sample_events import user_id

KEYS = Keys("users")
GENERATION = KEYS.generation(3)


def test_no_two_things_share_a_key() -> None:
    names: list[str | bytes] = [
        KEYS.live,
        KEYS.guard,
        KEYS.beside,
        KEYS.rebuilding,
        KEYS.reservations(1),
        KEYS.reservation + "1",
        KEYS.reserved_version("1"),
        KEYS.reserved_value("email", "1"),
        KEYS.reserved_value("external_id", "1"),
        KEYS.reserved_idempotency("", "1"),
        KEYS.wake + "1",
        GENERATION.partition(1),
        GENERATION.user("1"),
        GENERATION.claims("email"),
        GENERATION.claims("external_id"),
        GENERATION.history("1"),
        GENERATION.idempotency("", "1"),
        GENERATION.changes(1),
        GENERATION.changes_from(1),
        *(GENERATION.sorted_by(sort) for sort in SORTS if sort != "email"),
        *(GENERATION.suspended_by(sort) for sort in SORTS),
        GENERATION.words,
        GENERATION.shared_starts,
        GENERATION.conflicts,
    ]

    as_bytes = [name if isinstance(name, bytes) else name.encode() for name in names]
    assert len(set(as_bytes)) == len(as_bytes)
    assert all(name.startswith(b"users:") for name in as_bytes)


def test_every_index_of_lists_is_named_among_the_indexes() -> None:
    named = {GENERATION.claims("email"), GENERATION.claims("external_id"), GENERATION.words, GENERATION.shared_starts}
    named |= {GENERATION.waiting_claims("email"), GENERATION.waiting_claims("external_id")}
    for sort in SORTS:
        named |= {GENERATION.sorted_by(sort), GENERATION.suspended_by(sort)}
    assert set(GENERATION.indexes) == named
    assert len(GENERATION.indexes) == len(named)


def test_the_addresses_claimed_are_the_index_by_address() -> None:
    assert GENERATION.sorted_by("email") == GENERATION.claims("email")


def test_what_belongs_to_a_generation_begins_with_its_number() -> None:
    assert GENERATION.user(user_id()) == b"users:3:u:" + raw_id(user_id())
    assert GENERATION.user(user_id()).startswith(GENERATION.user_prefix)
    assert KEYS.generation(4).user(user_id()) != GENERATION.user(user_id())
    assert GENERATION.partition(7) == GENERATION.partition_prefix + "7"


def test_a_chosen_value_cannot_reach_the_key_of_another_thing() -> None:
    """An external id may hold any character; everything chosen by clients stands at the end of its key."""
    assert KEYS.reserved_value("external_id", "version:1") != KEYS.reserved_version("1")
