"""The projector: Kafka to Redis. It applies accepted events, gives verdicts, opens epochs."""
