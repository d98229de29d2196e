"""Kafka and Redis that encrypt all they say and ask for a name: what `pytest --secure` runs the processes against.

Each process gets a name of its own, with no other rights than docs/security.md tells operators to give. The tests
themselves look in by a second port of each server, on which anybody is the administrator.
"""

import argparse
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import redis
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)

from devstack import servers, settings
from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from devstack.servers import free_port

_DOCUMENTED = Path(__file__).parents[1] / "docs" / "security.md"
KAFKA_USERS = ("command-api", "projector", "relay", "auditor")
REDIS_USERS = ("query-api", *KAFKA_USERS)
TOKEN_ISSUER, TOKEN_AUDIENCE = "https://tokens.example.org", "kafka"
_KAFKA = "org.apache.kafka"
PASSWORD, MECHANISM = "PASSWORD", "SCRAM-SHA-512"
# What the documented commands name, and the setting that names it in a stack.
_NAMES = {
    "user-events": "EVENTS_TOPIC",
    "user-events.quarantine": "QUARANTINE_TOPIC",
    "user-changes": "CHANGES_TOPIC",
    "users": "USERS_TOPIC",
    "user-directory-projector": "PROJECTOR_GROUP",
    "user-directory-relay": "RELAY_GROUP",
    "user-directory": "REDIS_KEY_PREFIX",
}
DEFAULT_NAMES = {setting: name for name, setting in _NAMES.items()}


class Access(Protocol):
    """Servers to be had, and how each process of a stack gets in."""

    def kafka(
        self, directory: Path | None = None, *, overrides: Mapping[str, str] | None = None
    ) -> AbstractContextManager[KafkaServer]: ...

    def redis(
        self, directory: Path | None = None, *, options: Mapping[str, str] | None = None
    ) -> AbstractContextManager[RedisServer]: ...

    def admit(self, environ: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
        """Let the processes and operators of a stack in; return the settings that each needs for it, by its name."""


class Open:
    """Servers on which anybody may do anything."""

    kafka = staticmethod(servers.kafka)
    redis = staticmethod(servers.redis)

    def admit(self, environ: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
        return {}


class Guarded:
    """One Kafka and one Redis with certificates made here."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        # Java reads no other form of keys.
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        self.directory = directory
        self.ca_file, self._server_file = directory / "ca.pem", directory / "server.pem"
        self.ca_file.write_bytes(authority.cert_pem.bytes())
        self._server_file.write_bytes(pkcs8 + chain)
        self._token_key = RSAKey.generate_key(2048, {"kid": "kafka"})
        self.jwks_file = directory / "kafka-jwks.json"
        self.jwks_file.write_text(json.dumps({"keys": [self._token_key.as_dict(private=False)]}))
        self.kafka_port, self.redis_port = free_port(), free_port()

    @contextmanager
    def kafka(
        self, directory: Path | None = None, *, overrides: Mapping[str, str] | None = None
    ) -> Iterator[KafkaServer]:
        port, controller = free_port(), free_port()
        home = directory or self.directory
        properties = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},"
            f"GUARDED://127.0.0.1:{self.kafka_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},GUARDED://127.0.0.1:{self.kafka_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._server_file),
            "sasl.enabled.mechanisms": f"{MECHANISM},OAUTHBEARER",
            f"listener.name.guarded.{MECHANISM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            **self._token_properties(),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        server = KafkaServer(
            home / "kafka",
            settings.from_environ().cache,
            port=port,
            controller_port=controller,
            log=home / "kafka.log",
            say=print,
            overrides=properties | dict(overrides or {}),
        )
        # Java's broker fetches keys from nowhere else.
        server.environ["JAVA_TOOL_OPTIONS"] = f"-D{_KAFKA}.sasl.oauthbearer.allowed.urls={self.jwks_file.as_uri()}"
        with servers.running(server):
            with _administrator(server.bootstrap) as admin:
                made = admin.alter_user_scram_credentials(
                    [UserScramCredentialUpsertion(user, MECHANISM, PASSWORD) for user in KAFKA_USERS]
                )
            assert made == dict.fromkeys(KAFKA_USERS), made
            yield server

    def redis(
        self, directory: Path | None = None, *, options: Mapping[str, str] | None = None
    ) -> AbstractContextManager[RedisServer]:
        guarded = {
            "tls-port": str(self.redis_port),
            "tls-cert-file": str(self._server_file),
            "tls-key-file": str(self._server_file),
            "tls-ca-cert-file": str(self.ca_file),
            "tls-auth-clients": "no",
        }
        return servers.redis(directory or self.directory, options=guarded | dict(options or {}))

    def _token_properties(self) -> dict[str, str]:
        handler = f"{_KAFKA}.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
        of_listener = "listener.name.guarded.oauthbearer"
        return {
            f"{of_listener}.sasl.jaas.config": (
                f"{_KAFKA}.common.security.oauthbearer.OAuthBearerLoginModule required;"
            ),
            f"{of_listener}.sasl.server.callback.handler.class": handler,
            f"{of_listener}.connections.max.reauth.ms": "3600000",
            "sasl.oauthbearer.jwks.endpoint.url": self.jwks_file.as_uri(),
            "sasl.oauthbearer.expected.issuer": TOKEN_ISSUER,
            "sasl.oauthbearer.expected.audience": TOKEN_AUDIENCE,
            "sasl.oauthbearer.clock.skew.seconds": "0",
        }

    def token_for(self, user: str, seconds: int) -> str:
        """Return a token by which the broker knows a name for some seconds."""
        now = int(time.time())
        claims = {"iss": TOKEN_ISSUER, "aud": TOKEN_AUDIENCE, "sub": user, "scope": "kafka", "iat": now}
        return jwt.encode(
            {"alg": "RS256", "kid": self._token_key.kid}, claims | {"exp": now + seconds}, self._token_key
        )

    def redis_url_of(self, user: str) -> str:
        return f"rediss://{user}:{PASSWORD}@127.0.0.1:{self.redis_port}/0"

    def settings_of(self, user: str) -> dict[str, str]:
        """Return what a process is told to get in; the query API is not told of Kafka."""
        told = {"REDIS_URL": self.redis_url_of(user), "REDIS_CA_FILE": str(self.ca_file)}
        if user not in KAFKA_USERS:
            return told | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        return told | {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CAFILE": str(self.ca_file),
            "KAFKA_SASL_MECHANISM": MECHANISM,
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": PASSWORD,
        }

    def admit(self, environ: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
        """Give the documented rights to each name, on what this stack's topics, groups and keys are called."""
        with redis.Redis.from_url(environ["REDIS_URL"]) as client:
            for words in documented("redis-cli"):
                client.execute_command(
                    *(word.replace("user-directory:", environ["REDIS_KEY_PREFIX"] + ":") for word in words)
                )
        rights = [right for words in documented("kafka-acls.sh …") for right in _granted(words, environ)]
        with _administrator(environ["KAFKA_BOOTSTRAP_SERVERS"]) as admin:
            assert not admin.create_acls(rights)["failed"]
        return {user: self.settings_of(user) for user in REDIS_USERS}


def documented(command: str) -> list[list[str]]:
    """Return what docs/security.md says to type after a command, as words."""
    text = _DOCUMENTED.read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(rf"^{re.escape(command)} (.*)$", text, re.MULTILINE)]


@contextmanager
def _administrator(bootstrap: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield admin
    finally:
        admin.close()


def _granted(words: Sequence[str], environ: Mapping[str, str]) -> list[ACL]:
    """Return the rights that kafka-acls.sh gives with these words."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for kind in ("topic", "group", "transactional-id"):
        parser.add_argument(f"--{kind}", action="append", default=[])
    asked = parser.parse_args(words)
    pattern_type = ACLResourcePatternType[asked.resource_pattern_type.upper()]
    kinds = {ResourceType.TOPIC: asked.topic, ResourceType.GROUP: asked.group}
    kinds[ResourceType.TRANSACTIONAL_ID] = asked.transactional_id
    return [
        ACL(
            asked.allow_principal,
            "*",
            ACLOperation[re.sub("(?<=.)(?=[A-Z])", "_", operation).upper()],
            ACLPermissionType.ALLOW,
            ResourcePattern(kind, environ[_NAMES[name]], pattern_type),
        )
        for kind, names in kinds.items()
        for name in names
        for operation in asked.operation
    ]
