"""The token that a process shows to Kafka under SASL OAUTHBEARER (RFC 7628): whatever stands in a file now."""

import logging
from pathlib import Path

from kafka.errors import KafkaConnectionError
from kafka.net.sasl.oauth import AbstractTokenProvider

log = logging.getLogger(__name__)


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """Reads the file at each connection, and again before the broker's patience with the last token ends.

    Whoever issues tokens replaces the file before its token expires: the kubelet does so with a projected one.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def token(self) -> str:
        """Return the token.

        Raises:
            KafkaConnectionError: there is none; this attempt to connect fails, and the next one reads again.
        """
        try:
            token = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("token cannot be read", extra={"file": str(self._path), "error": type(error).__name__})
            raise KafkaConnectionError(f"KAFKA_SASL_TOKEN_FILE {self._path} cannot be read") from error
        if not token:
            raise KafkaConnectionError(f"KAFKA_SASL_TOKEN_FILE {self._path} is empty")
        return token
