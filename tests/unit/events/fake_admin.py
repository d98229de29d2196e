"""The part of kafka-python's admin client that `topics` uses, over a dictionary."""

from collections.abc import Mapping, Sequence
from typing import Any

from kafka.admin import ConfigResource
from kafka.errors import TopicAlreadyExistsError


class FakeAdmin:
    """A cluster of topics: the copies of each partition, and their settings, which a test may change."""

    def __init__(self) -> None:
        self.partitions: dict[str, list[int]] = {}
        self.configs: dict[str, dict[str, str]] = {}
        self.created: list[str] = []

    def list_topics(self) -> list[str]:
        return list(self.partitions)

    def create_topics(self, topics: Mapping[str, Mapping[str, Any]], *, wait_for_metadata: bool) -> None:
        for name, options in topics.items():
            if name in self.partitions:
                raise TopicAlreadyExistsError(name)
            self.created.append(name)
            self.partitions[name] = [options["replication_factor"]] * options["num_partitions"]
            self.configs[name] = {"compression.type": "producer", **options["configs"]}

    def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "error_code": 0 if name in self.partitions else 3,
                "partitions": [{"replica_nodes": [*range(copies)]} for copies in self.partitions.get(name, [])],
            }
            for name in names
        ]

    def describe_configs(self, resources: Sequence[ConfigResource], *, config_filter: str) -> dict[str, Any]:
        assert config_filter == "all"
        return {
            "topic": {
                resource.name: {name: {"value": value} for name, value in self.configs[resource.name].items()}
                for resource in resources
            }
        }
