"""How a world is set up; all times are milliseconds."""

from dataclasses import dataclass
from random import Random

PARTITIONS = 3
DEADLINE_MS = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, as probabilities of a step, and how wrong the brokers' clocks are.

    `fail_back` is the part of the lost servers that are replaced by the one before; `late_append` the part of the
    writers that stand still, between reserving and appending, until their deadline is near.
    """

    writes: float
    projection: float
    guard: float
    fault: float = 0.0
    election: float = 0.0
    fail_back: float = 0.25
    late_append: float = 0.12
    allowed_skew_ms: int = 20
    margin_ms: int = 20
    broker_skew_ms: int = 20

    @property
    def clocks_hold(self) -> bool:
        """Say whether the brokers' clocks are as the protocol assumes."""
        return self.broker_skew_ms <= self.allowed_skew_ms


def random_pace(rnd: Random) -> Pace:
    """Draw how busy, slow and unlucky a world is; its clocks hold."""
    return Pace(
        writes=rnd.choice([0.2, 0.5, 0.9]),
        projection=rnd.choice([0.1, 0.3, 0.9]),
        guard=rnd.choice([0.1, 0.3, 0.9]),
        fault=rnd.choice([0.0, 0.02, 0.03, 0.1]),
        election=rnd.choice([0.0, 0.05, 0.2]),
        fail_back=rnd.choice([0.2, 0.8]),
        late_append=rnd.choice([0.05, 0.2, 0.5]),
    )
