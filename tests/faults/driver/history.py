"""The history of a run: what clients asked and were answered, and what was broken meanwhile; one JSON object a line.

`invoke` and its completion are two lines, as in Jepsen's histories: `ok`: it happened; `fail`: it did not; `info`:
nobody knows. Times are seconds of the driver's monotonic clock since the run began.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

Outcome = Literal["ok", "fail", "info"]


@dataclass(slots=True)
class Operation:
    """One request and its answer."""

    id: str
    """The `X-Request-ID`; the event that came of it carries it as `correlationid`."""
    client: int
    process: str
    """The process that was asked."""
    action: str
    """`register`, `register_as`, `change`, `delete`, `suspend`, `reinstate`; `read`, `find`; `outcome`."""
    user: str | None
    """The user's id; None of a `register`."""
    arguments: dict[str, Any]
    """`fields`, `if_match`, `key`, `email`, `location`; `seen`: ids of operations whose tokens were sent along."""
    invoked: float
    returned: float = float("inf")
    outcome: Outcome = "info"
    status: int | None = None
    """None: no answer."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def write(self) -> bool:
        """Say whether it may change something."""
        return self.action not in ("read", "find", "outcome")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was broken, from its beginning until it was mended."""

    kind: str
    began: float
    ended: float
    details: dict[str, Any]


class Recorder:
    """Writes a history as it happens."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._began = time.monotonic()
        self.operations: list[Operation] = []
        self.faults: list[Fault] = []

    def now(self) -> float:
        """Return the time of this run."""
        return time.monotonic() - self._began

    def invoke(self, operation: Operation) -> None:
        """Record a request before it is sent."""
        operation.invoked = self.now()
        self.operations.append(operation)
        asked = {name: value for name, value in asdict(operation).items() if name not in _ANSWER}
        self._write({"type": "invoke", **asked})

    def complete(self, operation: Operation, outcome: Outcome) -> None:
        """Record an answer, or that there will be none."""
        operation.outcome = outcome
        if operation.status is not None:
            operation.returned = self.now()
        answer = {name: getattr(operation, name) for name in _ANSWER if name != "outcome"}
        if operation.status is None:
            del answer["returned"]
        self._write({"type": outcome, "id": operation.id, **answer})

    def fault(self, fault: Fault) -> None:
        """Record a fault that is over."""
        self.faults.append(fault)
        self._write({"type": "fault", **asdict(fault)})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


_ANSWER = ("returned", "outcome", "status", "body", "headers")


def load(path: Path) -> tuple[list[Operation], list[Fault]]:
    """Read a history."""
    operations: dict[str, Operation] = {}
    faults = []
    for line in _lines(path):
        match line.pop("type"):
            case "fault":
                faults.append(Fault(**line))
            case "invoke":
                operations[line["id"]] = Operation(**line)
            case outcome:
                operation = operations[line.pop("id")]
                operation.outcome = outcome
                for name, value in line.items():
                    setattr(operation, name, value)
    return list(operations.values()), faults


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
