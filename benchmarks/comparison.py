"""Questions asked of several services in turns, and the table of what they answered.

Rounds are interleaved: each asks every side of every question, in alternating order, so that whatever else the machine
does meets all sides alike. A ratio is the median of the ratios of the rounds.

    python -m benchmarks.comparison FILE        the table of a file that --json has kept
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.load import LoadResult
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Sample:
    """What one side did in one round; times in milliseconds."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, result: LoadResult) -> "Sample":
        """Take what counts of a load."""
        return cls(result.rate, result.p50, result.p99)


@dataclass
class Question:
    """One thing that is measured, how each side is measured, and what came of it."""

    name: str
    sides: dict[str, Callable[[], Sample]]
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def ask(self, turn: int) -> None:
        """Measure each side once, in an order that alternates."""
        for side in list(self.sides)[:: -1 if turn % 2 else 1]:
            self.samples.setdefault(side, []).append(self.sides[side]())

    def median(self, side: str) -> Sample:
        """Return the medians of a side."""
        samples = self.samples[side]
        return Sample(*(statistics.median(getattr(one, name) for one in samples) for name in ("rate", "p50", "p99")))

    def ratios(self, ours: str, theirs: str) -> list[float]:
        """Return in ascending order how often the rate of one side was that of the other, round by round."""
        pairs = zip(self.samples[ours], self.samples[theirs], strict=True)
        return sorted(one.rate / other.rate for one, other in pairs)


def compare(machine: Machine, questions: Sequence[Question], ours: str, asked: argparse.Namespace) -> None:
    """Ask all questions, round by round, and print the table; keep all samples in a file after each round, if asked."""
    for turn in range(asked.rounds):
        for question in questions:
            question.ask(turn)
        print(f"round {turn + 1} of {asked.rounds}", file=sys.stderr, flush=True)
        if asked.json is not None:
            asked.json.write_text(_as_json(machine, questions, ours))
    print(machine)
    print(table(questions, ours))


def table(questions: Sequence[Question], ours: str) -> str:
    """Return the medians of all sides, with our rate as a multiple of theirs: median, least and greatest."""
    width = 2 + max(len(side) for question in questions for side in question.samples)
    lines = []
    for question in questions:
        head = f"{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}   {ours} to it (from, to)"
        lines += ["", f"{question.name}:", f"  {'':{width}}{head}"]
        for side in question.samples:
            found = question.median(side)
            line = f"  {side:{width}}{found.rate:12,.0f}{found.p50:9.2f}{found.p99:9.2f}"
            if side != ours and ours in question.samples:
                ratios = question.ratios(ours, side)
                line += f"{statistics.median(ratios):12.2f} ({ratios[0]:.2f}, {ratios[-1]:.2f})"
            lines.append(line)
    return "\n".join(lines)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Make the parser of what all comparisons can be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=3, help="how long each measurement takes (default: 3)")
    parser.add_argument("--json", type=Path, help="file for the results of all rounds")
    return parser


def _as_json(machine: Machine, questions: Sequence[Question], ours: str) -> str:
    found = [
        {"question": q.name, "samples": {side: list(map(asdict, some)) for side, some in q.samples.items()}}
        for q in questions
    ]
    return json.dumps({"machine": asdict(machine), "ours": ours, "questions": found}, indent=1)


def kept(text: str) -> str:
    """Return the table of what a comparison has kept, also of one that was cut off."""
    found = json.loads(text)
    questions = []
    for question in found["questions"]:
        samples = {side: [Sample(**one) for one in some] for side, some in question["samples"].items()}
        questions.append(Question(question["question"], {}, samples))
    return f"{Machine(**found['machine'])}\n{table(questions, found['ours'])}"


if __name__ == "__main__":
    print(kept(Path(sys.argv[1]).read_text()))
