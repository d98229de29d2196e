"""What a member of a consumer group must do itself, as kafka-python does not."""

from kafka import KafkaConsumer


def keep_rejoining(consumer: KafkaConsumer) -> None:
    """Make a member that is about to forget its rejoining go on with it; call it before each poll.

    Where the topics' metadata changed, kafka-python (3.0.12) rejoins the group until it *sent* a new assignment. If a
    poll ends before the answer is there, no later poll takes it: the member has no partitions, sends no heartbeats, and
    stays so. Seen at the first join of a topic that was made just before.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining and not coordinator.need_rejoin():
        coordinator.request_rejoin()
