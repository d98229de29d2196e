"""The settings of the query API."""

from pydantic import Field

from runtime.settings import GuardSettings, HttpSettings, LogSettings, Port, RedisSettings, TracingSettings


class QuerySettings(GuardSettings, RedisSettings, LogSettings, TracingSettings, HttpSettings):
    """What the query API reads from its environment; it knows nothing of Kafka."""

    query_api_host: str = Field("127.0.0.1", description="Address that the query API listens on")
    query_api_port: Port = Field(8002, description="Port that the query API listens on")
    max_waiting_reads: int = Field(
        500,
        ge=0,
        description="Reads that wait for their `Consistency-Token` at once, of each worker process; more do not wait",
    )
    max_change_feed_clients: int = Field(
        2000, ge=1, description="Clients that follow the changes at once, of each worker process; more are answered 503"
    )
    change_feed_buffer_events: int = Field(
        1000, ge=1, description="Newest changes kept in memory by each worker process for all its clients together"
    )
    change_feed_heartbeat_seconds: float = Field(
        15, gt=0, le=300, description="How often a client hears something while there is no change"
    )
