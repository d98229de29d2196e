"""The projector's settings."""

from pydantic import Field

from runtime.settings import (
    KafkaSettings,
    LogSettings,
    Port,
    ProtocolSettings,
    RedisSettings,
    Settings,
    TracingSettings,
)


class TopicSettings(KafkaSettings):
    """What the projector and the relay, which create the topics, read from the environment."""

    changes_retention_hours: float = Field(
        168, ge=1, description="How long a new topic of changes keeps each change; an existing topic stays as it is"
    )
    startup_wait_seconds: float = Field(
        60, gt=0, le=3600, description="How long a starting process waits for Kafka and Redis before it gives up"
    )


class LoopSettings(Settings):
    """What the projector and the relay, which go round in a loop, read from the environment."""

    projector_stuck_after_seconds: float = Field(
        60,
        ge=1,
        le=3600,
        description="How long the loop of projector or relay may stand still before /healthz says that it has to be "
        "restarted; waiting for Kafka or Redis is no standing still, but one round of slow answers may take half a "
        "minute",
    )


class ProjectorSettings(TopicSettings, LoopSettings, RedisSettings, LogSettings, TracingSettings, ProtocolSettings):
    """What the projector reads from the environment."""

    projector_host: str = Field("127.0.0.1", description="Address that the projector's health and metrics listen on")
    projector_port: Port = Field(8003, description="Port of the projector's health and metrics")
    projector_group: str = Field("user-directory-projector", min_length=1, description="Kafka consumer group")
    projector_batch_records: int = Field(
        50, ge=1, le=500, description="Most records applied in one step; it bounds the time that a step blocks Redis"
    )
    change_feed_events_per_partition: int = Field(
        10_000, ge=1, le=10_000_000, description="Newest events of each partition that the change feed can go back to"
    )
    erasure_tick_seconds: float = Field(
        60, ge=0.1, le=3600, description="How often a partition is ticked while its log holds events of erased users"
    )


class RelaySettings(TopicSettings, LoopSettings, RedisSettings, LogSettings, TracingSettings):
    """What the relay reads from the environment."""

    relay_host: str = Field("127.0.0.1", description="Address that the relay's health and metrics listen on")
    relay_port: Port = Field(8004, description="Port of the relay's health and metrics")
    relay_group: str = Field(
        "user-directory-relay",
        min_length=1,
        description="Kafka consumer group; a new one relays the whole log once more",
    )
    relay_id: str | None = Field(
        None, description="Name of this relay, unlike any other's of its group; unset: host name and port"
    )
    relay_batch_events: int = Field(500, ge=1, le=5000, description="Most events relayed in one Kafka transaction")
