"""Consistency tokens: what a client has seen, so that no later read of its shows less.

On the wire: `<log id>.<partition>-<offset>.<partition>-<offset>...`; several tokens in one header, separated by commas,
mean all of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

_TOKEN = re.compile(r"([0-9a-f-]{36})((?:\.\d{1,4}-\d{1,19})+)", re.ASCII)
_MOST_CHARACTERS = 8192


class InvalidConsistencyToken(ValueError):
    """The text was not made by this service."""


class OtherLogToken(InvalidConsistencyToken):
    """The token was made for a log that this service no longer serves."""


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    """The newest offset seen of each partition of one log."""

    log_id: str
    offsets: Mapping[int, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one token or several, merged.

        Raises:
            InvalidConsistencyToken: not made by this service, or of different logs.
        """
        tokens = [_TOKEN.fullmatch(part.strip()) for part in text[: _MOST_CHARACTERS + 1].split(",")]
        if len(text) > _MOST_CHARACTERS or any(token is None for token in tokens):
            raise InvalidConsistencyToken("not a token of this service")
        found = [token for token in tokens if token is not None]
        log_ids = {token[1] for token in found}
        if len(log_ids) != 1:
            raise InvalidConsistencyToken("tokens of different logs")
        offsets: dict[int, int] = {}
        for token in found:
            for pair in token[2][1:].split("."):
                partition, offset = map(int, pair.split("-"))
                offsets[partition] = max(offset, offsets.get(partition, -1))
        return cls(log_ids.pop(), offsets)

    def __str__(self) -> str:
        return self.log_id + "".join(f".{partition}-{offset}" for partition, offset in self.offsets.items())

    def reached_by(self, positions: Iterable[tuple[int, int]]) -> bool:
        """Say whether partitions projected up to these next positions show all that the token has seen."""
        return all(position > self.offsets[partition] for partition, position in positions)


def token(log_id: str, partition: int, offset: int) -> str:
    """Write the token of one record."""
    return f"{log_id}.{partition}-{offset}"
