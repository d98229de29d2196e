from read_models.keys import Keys
from tests.sample_events import user_id

KEYS = Keys("users")
GENERATION = KEYS.generation(3)


def test_no_two_things_share_a_key() -> None:
    names = [
        KEYS.live,
        KEYS.guard,
        KEYS.reservations(1),
        KEYS.reservation + "1",
        KEYS.reserved_version("1"),
        KEYS.reserved_value("email", "1"),
        KEYS.reserved_value("external_id", "1"),
        KEYS.reserved_idempotency("", "1"),
        KEYS.wake + "1",
        GENERATION.partition(1),
        GENERATION.user("1"),
        GENERATION.claims("email", "1"),
        GENERATION.claims("external_id", "1"),
        GENERATION.history("1"),
        GENERATION.idempotency("", "1"),
        GENERATION.changes(1),
        GENERATION.changes_from(1),
        GENERATION.by_creation,
        GENERATION.conflicts,
    ]

    assert len(set(names)) == len(names)
    assert all(name.startswith("users:") for name in names)


def test_what_belongs_to_a_generation_begins_with_its_number() -> None:
    assert GENERATION.user(user_id()) == f"users:3:user:{user_id()}"
    assert KEYS.generation(4).user(user_id()) != GENERATION.user(user_id())
    assert GENERATION.partition(7) == GENERATION.partition_prefix + "7"


def test_a_chosen_value_cannot_reach_the_key_of_another_thing() -> None:
    """An external id may hold any character; everything chosen by clients stands at the end of its key."""
    assert GENERATION.claims("external_id", "x:y") != GENERATION.claims("external_id", "x") + "y"
    assert GENERATION.claims("external_id", user_id()) != GENERATION.user(user_id())
    assert KEYS.reserved_value("external_id", "version:1") != KEYS.reserved_version("1")
