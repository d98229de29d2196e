"""The settings of the query API."""

from pydantic import Field

from runtime.settings import HttpSettings, LogSettings, Port, RedisSettings


class QuerySettings(RedisSettings, LogSettings, HttpSettings):
    """What the query API reads from its environment; it knows nothing of Kafka."""

    query_api_host: str = Field("127.0.0.1", description="Address that the query API listens on")
    query_api_port: Port = Field(8002, description="Port that the query API listens on")
