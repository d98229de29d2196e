"""Connecting to Kafka: the options that all clients share, and waiting for it when a process starts."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from runtime.kafka_client import TidyClient
from runtime.kafka_token import TokenFile
from runtime.settings import KafkaSettings
from runtime.startup import StartupError

_BOOTSTRAP_MS = 2000
_RECONNECT_MAX_MS = 1000
_RETRY_SECONDS = 0.5

_Result = TypeVar("_Result")


def options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return what every Kafka client of a process is configured with."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "client_id": client_id,
        "kafka_client": TidyClient,
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
        # The default grows to half a minute, for which a recovered broker would be ignored.
        "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
        **security(settings),
    }


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Return how every client encrypts what it says, and shows who it is.

    Raises:
        StartupError: a file or a name that is needed is missing.
    """
    protocol = settings.kafka_security_protocol
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        files = ("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")
        named = {name.removeprefix("kafka_"): path for name in files if (path := getattr(settings, name)) is not None}
        for name, path in named.items():
            if not os.access(path, os.R_OK):
                raise StartupError(f"KAFKA_{name.upper()} {path} cannot be read: name a PEM file or unset it")
        found |= named
    if protocol.startswith("SASL"):
        found |= _identity(settings)
    return found


def _identity(settings: KafkaSettings) -> dict[str, Any]:
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    if mechanism == "OAUTHBEARER":
        path = settings.kafka_sasl_token_file
        if path is None or not os.access(path, os.R_OK):
            fault = f"{path} cannot be read" if path else "is not set"
            raise StartupError(
                f"KAFKA_SASL_MECHANISM={mechanism} needs a token, and KAFKA_SASL_TOKEN_FILE {fault}: "
                "name a file that always holds a valid one"
            )
        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": TokenFile(path)}
    if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
        raise StartupError(
            f"KAFKA_SECURITY_PROTOCOL={protocol} needs a name: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
        )
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }


def listens(settings: KafkaSettings) -> bool:
    """Say whether a bootstrap server takes connections; asked before a client is made, which would try for longer."""
    for address in settings.kafka_bootstrap_servers.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        except OSError:
            continue
        return True
    return False


def wait_for_admin(settings: KafkaSettings, client_id: str, seconds: float) -> KafkaAdminClient:
    """Return a connected admin client as soon as Kafka answers.

    Raises:
        StartupError: it does not answer in time.
    """
    deadline = time.monotonic() + seconds
    reason = "no connection"
    while True:
        if listens(settings):
            try:
                return KafkaAdminClient(**options(settings, client_id))
            except KafkaError as error:
                reason = type(error).__name__
        if time.monotonic() > deadline:
            raise StartupError(
                f"Kafka at {settings.kafka_bootstrap_servers} does not answer ({reason}): "
                "start it or set KAFKA_BOOTSTRAP_SERVERS"
            )
        time.sleep(_RETRY_SECONDS)


def again_until(deadline: float, act: Callable[[], _Result]) -> _Result:
    """Do something with Kafka that may be done twice, again from its beginning while it fails in a way that may pass.

    A broker that is starting, or the network before it, takes connections before it answers, and drops them again.

    Raises:
        KafkaError: it still fails at the deadline (by `time.monotonic`), or in a way that does not pass.
    """
    while True:
        try:
            return act()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_SECONDS)
