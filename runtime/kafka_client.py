"""The connections of a Kafka client, which leave nothing behind where none can be made."""

from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

# An answer ends the wait before that; it is for the sake of whoever finds none.
_BUSY_MS = 100


class TidyClient(KafkaNetClient):  # type: ignore[misc]
    """What kafka-python's clients are given as `kafka_client`.

    Its own (3.0.12) leaves a thread and three sockets behind for each client that is made while no broker answers: the
    constructor raises, so nobody can close it. A process that tries again and again would run out of both.

    And it lets a producer go round and round, holding the interpreter, whenever there is something to send to a broker
    that still has as many requests as it may: until the answer comes.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_Manager(net, **configs), **configs)

    def connection_delay(self, node_id: int) -> float:
        """Return for how many milliseconds the producer need not look whether it can send to a broker."""
        if self.connected(node_id):
            return _BUSY_MS
        return float(super().connection_delay(node_id)) * 1000


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    def bootstrap(self, timeout_ms: int | None = None, refresh: bool = True) -> None:
        try:
            super().bootstrap(timeout_ms, refresh)
        except BaseException:
            self.close()
            self._net.close()
            raise
