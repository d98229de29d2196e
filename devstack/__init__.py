"""Real Kafka and Redis on a machine without Docker, for `make run` and for the tests."""
