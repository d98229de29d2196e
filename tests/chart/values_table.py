"""Write the table of values into the charts' READMEs: `python -m tests.chart.values_table`.

A comment that begins with `# --` documents the value that follows it; the others are for readers of values.yaml alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parents[2] / "charts"
NAMES = ("user-directory", "platform")
BEGIN, END = "<!-- values -->", "<!-- /values -->"


@dataclass(frozen=True)
class Value:
    """One documented value."""

    path: str
    default: Any
    meaning: str


def documented(chart: str) -> list[Value]:
    """Return what values.yaml documents, in its order."""
    text = (CHARTS / chart / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    found: list[Value] = []
    above: list[str] = []
    meaning = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            meaning = stripped.removeprefix("# -- ")
        elif stripped and not stripped.startswith(("#", "- ")) and ":" in stripped:
            depth = (len(line) - len(line.lstrip())) // 2
            above[depth:] = [stripped.partition(":")[0]]
            if meaning:
                found.append(Value(".".join(above), _at(defaults, above), meaning))
            meaning = ""
    return found


def undocumented(chart: str) -> list[str]:
    """Return the values that neither have a comment nor lie below one that has."""
    known = [value.path for value in documented(chart)]
    leaves = _leaves(yaml.safe_load((CHARTS / chart / "values.yaml").read_text()), "")
    return [leaf for leaf in leaves if not any(leaf == path or leaf.startswith(f"{path}.") for path in known)]


def table(chart: str) -> str:
    """Return the table in Markdown."""
    rows = [f"| `{v.path}` | `{json.dumps(v.default)}` | {v.meaning} |" for v in documented(chart)]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows])


def with_table(chart: str) -> str:
    """Return the README with its table made anew."""
    before, _, rest = (CHARTS / chart / "README.md").read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values


def _leaves(values: Any, path: str) -> list[str]:
    if not isinstance(values, dict) or not values:
        return [path]
    return [leaf for key, value in values.items() for leaf in _leaves(value, f"{path}.{key}".lstrip("."))]


if __name__ == "__main__":
    for name in NAMES:
        (CHARTS / name / "README.md").write_text(with_table(name))
