"""What processes ask of Redis in one atomic step: the call of a script, and its reply as a value.

A `Call` does no I/O, so the asynchronous APIs, the synchronous projector and the tests share one definition.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from read_models.scripts import Script

T = TypeVar("T")

Argument = str | bytes | int
Key = str | bytes


class NotReady(Exception):
    """Redis is being refilled, or its guard is not ready: nothing can be decided now."""


class OtherGeneration(Exception):
    """The live pointer names another generation: read it again and repeat the call."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of a script."""

    script: Script
    keys: Sequence[Key]
    arguments: Sequence[Argument]
    parse: Callable[[list[Any]], T]

    def result(self, reply: list[Any]) -> T:
        """Return the reply as a value.

        Raises:
            NotReady: see there.
            OtherGeneration: see there.
        """
        match reply[0]:
            case b"not_ready":
                raise NotReady
            case b"other_generation":
                raise OtherGeneration
        return self.parse(reply)
