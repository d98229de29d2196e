import pytest

from tests.sample_events import user_id
from user_directory_events import partition_of

# From UtilsTest of Kafka's own clients: what murmur2 gives, in Java a signed number of 32 bits.
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize("partitions", [1, 4, 12, 1000, 2**31])
@pytest.mark.parametrize("text", JAVA)
def test_a_partition_is_the_one_that_kafkas_own_clients_choose(text: str, partitions: int) -> None:
    assert partition_of(text, partitions) == (JAVA[text] & 0x7FFFFFFF) % partitions


def test_the_partitions_of_known_users_never_change() -> None:
    """Were they to, one user's events would lie in two partitions of a log that exists already."""
    assert [partition_of(user_id(number), 12) for number in range(12)] == [4, 10, 10, 1, 4, 3, 2, 5, 0, 0, 0, 5]


def test_users_are_spread_over_all_partitions() -> None:
    found = [partition_of(user_id(number), 12) for number in range(1200)]

    assert set(found) == set(range(12))
    assert max(found.count(partition) for partition in range(12)) < 200
