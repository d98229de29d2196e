"""What coverage leaves out is there, and Sonar leaves out the same: its gate must not ask for what nobody measures."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
RUN = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
LINES = (ROOT / "sonar-project.properties").read_text().splitlines()
PROPERTIES = dict(line.split("=", 1) for line in LINES if line and not line.startswith("#"))
# Where no Python of the product is, and the tool that starts Kafka and Redis for developers.
NOT_MEASURED = {"charts/**", "concourse/**", "dashboard/**", "docker/**", "terraform/**", "devstack/**"}


def as_sonar_says(pattern: str) -> str:
    """Return a pattern of coverage in Ant's language."""
    anywhere = pattern.startswith("*/")
    inner = pattern.removeprefix("*/")
    return f"{'**/' if anywhere else ''}{f'{inner}*' if inner.endswith('/*') else inner}"


def test_every_pattern_leaves_something_out() -> None:
    for pattern in RUN["omit"]:
        assert list(ROOT.glob(f"**/{pattern.removeprefix('*/')}" if pattern.startswith("*/") else pattern)), pattern


def test_sonar_leaves_out_the_same() -> None:
    excluded = set(PROPERTIES["sonar.coverage.exclusions"].split(","))
    assert excluded == NOT_MEASURED | {as_sonar_says(pattern) for pattern in RUN["omit"]}
