"""Settings: read from environment variables once, when a process starts, and never changed afterwards.

A process declares one class built from the mixins below and adds what is its own. A field's upper-case name is the
variable, its description the documentation: docs/configuration.md is generated from these classes.
"""

import os
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.faults import describe


class SettingsError(Exception):
    """One line that names every bad variable and says what each must be."""


def _host_ports(value: str) -> str:
    for address in value.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port addresses, separated by commas")
    return value


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must be a URL starting with redis://, rediss:// or unix://")
    return value


def _jwks_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
        return value
    raise ValueError("must be a URL starting with https://, or on loopback with http://")


def is_loopback(host: str) -> bool:
    """Say whether an address, as text, is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


Port = Annotated[int, Field(ge=1, le=65535)]
HostPorts = Annotated[str, AfterValidator(_host_ports)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]


def _networks(value: str) -> str:
    try:
        for one in value.split(","):
            if one.strip():
                ip_network(one.strip())
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, separated by commas") from None
    return value


def _resource_attributes(value: str) -> str:
    if value and not all(item.partition("=")[0].strip() and "=" in item for item in value.split(",")):
        raise ValueError("must be name=value, separated by commas")
    return value


Networks = Annotated[str, AfterValidator(_networks)]
ResourceAttributes = Annotated[str, AfterValidator(_resource_attributes)]
JwksUrl = Annotated[str, AfterValidator(_jwks_url)]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Settings(BaseSettings):
    """The root of every settings class: frozen; an empty variable counts as unset; unknown variables are ignored.

    Building one directly reads no environment, so tests get what they ask for; `load` reads it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the caller only; `load` is the one place that reads the environment."""
        return (init_settings,)


class KafkaSettings(Settings):
    """Where Kafka is and how the topics look."""

    kafka_bootstrap_servers: HostPorts = Field(
        "127.0.0.1:9092", description="Kafka brokers to ask first, `host:port`, separated by commas"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT",
        description="How to talk to the brokers: `SSL` encrypts, `SASL` shows who we are",
    )
    kafka_ssl_cafile: str | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates; unset: the public ones"
    )
    kafka_ssl_certfile: str | None = Field(None, description="PEM file with a certificate of our own for the brokers")
    kafka_ssl_keyfile: str | None = Field(None, description="PEM file with its key")
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512",
        description="How `SASL` shows who we are: `OAUTHBEARER` with a token, else by name and password",
    )
    kafka_sasl_username: str | None = Field(
        None, description="Name at the brokers; with `SASL` it must be set, but for `OAUTHBEARER`"
    )
    kafka_sasl_password: SecretStr | None = Field(
        None, description="Its password; with `SASL` it must be set, but for `OAUTHBEARER`"
    )
    kafka_sasl_token_file: str | None = Field(
        None,
        description="File with the token for the brokers, read again for each use; with `OAUTHBEARER` it must be set",
    )
    events_topic: TopicName = Field("user-events", description="Topic that holds the log of record")
    quarantine_topic: TopicName = Field(
        "user-events.quarantine", description="Topic for records that could not be applied"
    )
    changes_topic: TopicName = Field(
        "user-changes", description="Topic that the relay writes accepted events to, for other systems"
    )
    users_topic: TopicName = Field("users", description="Topic that the relay writes users' states to, compacted")
    kafka_partitions: int = Field(
        12,
        ge=1,
        le=1000,
        description="Partitions of the log and of the public topics; fixed for ever once the log has been started",
    )
    kafka_replication_factor: int = Field(3, ge=1, le=32, description="Copies of every partition that topics must have")
    kafka_min_insync_replicas: int = Field(
        2, ge=1, le=32, description="Copies that must have a record before it counts as written"
    )


class RedisSettings(Settings):
    """Where Redis is and which keys are ours."""

    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis that holds the read models: `rediss://` is encrypted, `redis://NAME:PASSWORD@` an ACL user",
    )
    redis_ca_file: str | None = Field(
        None, description="PEM file of the authority that signed the certificate of Redis; unset: the public ones"
    )

    @property
    def redis_address(self) -> str:
        """Return the URL with what redis-py has to know beside it."""
        if self.redis_ca_file is None:
            return self.redis_url
        joint = "&" if "?" in self.redis_url else "?"
        return f"{self.redis_url}{joint}ssl_ca_certs={quote(self.redis_ca_file)}"

    redis_key_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,64}$")] = Field(
        "user-directory", description="First part of every Redis key"
    )


class ProtocolSettings(Settings):
    """The constants of the write protocol, which the command API and the projector must share."""

    event_deadline_seconds: float = Field(
        10, gt=0, le=3600, description="How long after its reservation an event may still be accepted"
    )
    clock_skew_seconds: float = Field(
        2, ge=0, le=600, description="Largest difference allowed between the clocks of two brokers"
    )


class LogSettings(Settings):
    """What is logged, how and where to."""

    log_format: Literal["json", "rfc5424"] = Field("json", description="`json`: one object a line; `rfc5424`: syslog")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged: `debug`, `info`, `warning` or `error`"
    )
    log_file: str | None = Field(None, description="File to append to; unset: standard output")


class TracingSettings(Settings):
    """Where traces go, by the names that OpenTelemetry gives the variables."""

    otel_exporter_otlp_endpoint: AnyHttpUrl | None = Field(
        None, description="OpenTelemetry collector that takes OTLP over HTTP, without `/v1/traces`; unset: no traces"
    )
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = Field("http/protobuf", description="How it is talked to")
    otel_exporter_otlp_headers: SecretStr | None = Field(
        None, description="Headers for it, such as its credentials: `name=value`, separated by commas, percent-encoded"
    )
    otel_exporter_otlp_certificate: str | None = Field(
        None, description="PEM file of the authority that signed its certificate; unset: the public ones"
    )
    otel_traces_sampler_arg: float = Field(
        1, ge=0, le=1, description="Part of the requests that are traced, of those whose caller does not say"
    )
    otel_resource_attributes: ResourceAttributes = Field(
        "", description="What else every span says of this process: `name=value`, separated by commas, percent-encoded"
    )
    otel_bsp_max_queue_size: int = Field(
        2048, ge=512, le=1_000_000, description="Spans that wait to be sent at most; further ones are dropped"
    )
    otel_bsp_schedule_delay: int = Field(5000, ge=10, description="How long spans are gathered, in milliseconds")
    otel_sdk_disabled: bool = Field(False, description="Whether there are no traces although there is an endpoint")


class HttpSettings(Settings):
    """What the two HTTP services share."""

    web_concurrency: int = Field(1, ge=1, le=256, description="Worker processes of each API process")
    max_body_bytes: int = Field(65536, ge=1024, description="Largest request body; a larger one is answered 413")
    max_wait_seconds: float = Field(30, ge=0, le=300, description="Longest wait that `Prefer: wait` can ask for")
    public_url: AnyHttpUrl | None = Field(
        None, description="URL that clients reach the service under; `Location` is built on it, else relative"
    )
    drain_seconds: int = Field(
        20, ge=1, le=3600, description="Time that requests in flight have to finish after SIGTERM"
    )
    access_log: bool = Field(True, description="Whether each request is logged, at level `info`")


class AuthSettings(Settings):
    """Who is let in."""

    auth: Literal["on", "off"] = Field(
        "on", description="`on`: every request needs a bearer token of the issuer; `off`: anyone may do anything"
    )
    auth_off_on_any_address: bool = Field(
        False, description="Whether `AUTH=off` may be served on an address that is not loopback"
    )
    auth_issuer: str | None = Field(None, description="`iss` of the tokens; with `AUTH=on` it must be set")
    auth_audience: str | None = Field(
        None, description="This directory's name in `aud` of the tokens; with `AUTH=on` it must be set"
    )
    auth_jwks_url: JwksUrl | None = Field(
        None, description="URL of the issuer's keys, a JWK set; with `AUTH=on` this or `AUTH_JWKS_FILE` must be set"
    )
    auth_jwks_file: str | None = Field(None, description="File with the issuer's keys, a JWK set; a change is noticed")
    auth_jwks_ca_file: str | None = Field(
        None, description="PEM file of the authority that signed the certificate of `AUTH_JWKS_URL`, if no public one"
    )
    auth_jwks_refresh_seconds: float = Field(
        300, ge=1, le=86400, description="How often the keys are fetched; a key that is gone is trusted for as long"
    )
    auth_leeway_seconds: int = Field(
        30, ge=0, le=600, description="How far the issuer's clock may differ when a token's times are checked"
    )


class RateLimitSettings(RedisSettings):
    """How often one caller may ask, and where callers come from."""

    rate_limit_subject: int | None = Field(
        None, ge=1, description="Requests that one subject of tokens may make in a window; unset: any number"
    )
    rate_limit_address: int | None = Field(
        None, ge=1, description="Requests that may come from one address in a window; unset: any number"
    )
    rate_limit_window_seconds: float = Field(10, ge=1, le=3600, description="Length of the window of both limits")
    rate_limit_redis_url: RedisUrl | None = Field(
        None, description="Redis in which all processes count the requests; unset: `REDIS_URL`"
    )
    trusted_proxies: Networks = Field(
        "", description="Networks of our own proxies, separated by commas: from these `X-Forwarded-For` is believed"
    )
    audit_log: bool = Field(
        True,
        description="Whether writes, and requests that were not let in, are logged with actor and address",
    )


class GuardSettings(AuthSettings, RateLimitSettings):
    """What stands before the resources of both APIs."""


T = TypeVar("T", bound=Settings)


def load(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Read one settings class from the environment, or from a mapping of the same shape.

    Raises:
        SettingsError: naming every variable that is bad, not only the first.
    """
    source = EnvSettingsSource(cls)
    # Assigned rather than patched into os.environ, so that reading another mapping touches no global state.
    variables = os.environ if environ is None else environ
    source.env_vars = {name.lower(): value for name, value in variables.items() if value != ""}
    try:
        return cls(**source())
    except ValidationError as error:
        faults = [f"{variable_name(str(fault['loc'][0]))} {describe(fault)}" for fault in error.errors()]
        raise SettingsError(f"bad settings: {'; '.join(faults)}") from None


def variable_name(field: str) -> str:
    """Name the environment variable of a field."""
    return field.upper()


def all_settings(within: Iterable[type[Settings]] | None = None) -> list[type[Settings]]:
    """List every settings class that is imported by now, parents before children."""
    found: dict[type[Settings], None] = {}
    for cls in Settings.__subclasses__() if within is None else within:
        found.setdefault(cls)
        for child in all_settings(cls.__subclasses__()):
            found.setdefault(child)
    return list(found)
