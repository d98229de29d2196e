"""How far a reader has come: a value to be stored in the same transaction as what was made of the batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

_Offset = Annotated[int, Field(ge=0)]


@checked_dataclass(frozen=True, slots=True)
class Place:
    """The next offsets of one partition.

    Args:
        changes: the next record of `user-changes`.
        users: while the partition is loaded, the next record of `users`; None: it is loaded.
        until: the partition is loaded when `users` is at this offset.
    """

    changes: _Offset
    users: _Offset | None = None
    until: _Offset | None = None

    @property
    def loading(self) -> bool:
        """Say whether users are still being loaded."""
        return self.users is not None


_PLACES = TypeAdapter(dict[int, Place])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The places of all partitions."""

    places: Mapping[int, Place] = field(default_factory=dict)

    @property
    def loading(self) -> bool:
        """Say whether users of some partition are still being loaded."""
        return any(place.loading for place in self.places.values())

    def to_json(self) -> str:
        """Return the text to be stored."""
        return _PLACES.dump_json(dict(sorted(self.places.items())), exclude_none=True).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Checkpoint":
        """Return the checkpoint that was stored.

        Raises:
            pydantic.ValidationError: the text is none.
        """
        return cls(_PLACES.validate_json(text))
