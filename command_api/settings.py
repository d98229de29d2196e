"""The command API's settings."""

from pydantic import Field

from runtime.settings import (
    GuardSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    Port,
    ProtocolSettings,
    RedisSettings,
    TracingSettings,
)


class CommandSettings(
    KafkaSettings, GuardSettings, RedisSettings, LogSettings, TracingSettings, ProtocolSettings, HttpSettings
):
    """What the command API reads from the environment."""

    command_api_host: str = Field("127.0.0.1", description="Address that the command API listens on")
    command_api_port: Port = Field(8001, description="Port of the command API")
    write_budget_seconds: float = Field(
        8, gt=0, le=300, description="What all waits and new decisions of one write may take together"
    )
    max_writes_in_flight: int = Field(
        1000, ge=1, description="Writes that one worker process takes on at once; more are answered 503"
    )
    max_imports: int = Field(
        4, ge=1, le=100, description="Imports that one worker process takes on at once; more are answered 503"
    )
    import_max_bytes: int | None = Field(
        None, ge=1024, description="Largest body of an import; unset: any, as it is never held as a whole"
    )
    import_idle_seconds: float = Field(
        60, gt=0, le=3600, description="How long an import waits for its client to send something"
    )
    startup_wait_seconds: float = Field(
        60, gt=0, le=3600, description="How long a starting process waits for Kafka and Redis before it gives up"
    )
