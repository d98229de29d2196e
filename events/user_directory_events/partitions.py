"""Which partition of the log holds a user's events."""


def partition_of(user_id: str, partitions: int) -> int:
    """Return the partition of a user: Kafka's own murmur2 of the id, modulo the fixed partition count.

    Needs the extra `kafka`.
    """
    # Readers of events that others fetched need no Kafka client.
    from kafka.partitioner.default import murmur2

    partition: int = (murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions
    return partition
