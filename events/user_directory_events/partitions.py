"""Which partition of the log holds a user's events."""

from kafka.partitioner.default import murmur2


def partition_of(user_id: str, partitions: int) -> int:
    """Return the partition of a user: Kafka's own murmur2 of the id, modulo the fixed partition count."""
    partition: int = (murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions
    return partition
