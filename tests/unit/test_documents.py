"""The documents of the project: their links lead somewhere, and decisions are called by their numbers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *ADRS,
    *(ROOT / "charts").rglob("*.md"),
    *(ROOT / "events").glob("*.md"),
]
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_ADR = re.compile(r"\d{4}(?=-)")


def links(page: Path) -> list[tuple[str, str]]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [(label, target) for label, target in _LINK.findall(text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for label, target in links(page):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"[{label}]({target})"
        assert not anchor or anchor in anchors(file), f"[{label}]({target})"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_decision_is_called_by_the_number_that_it_has(page: Path) -> None:
    for label, target in links(page):
        if (of_target := _ADR.match(Path(target).name)) and (of_label := re.search(r"\d{4}", label)):
            assert of_label[0] == of_target[0], f"[{label}]({target})"


@pytest.mark.parametrize("adr", ADRS, ids=lambda adr: adr.stem)
def test_a_decision_has_a_number_of_its_own_and_all_its_parts(adr: Path) -> None:
    text = adr.read_text(encoding="utf-8")
    assert [other.name for other in ADRS if other.name.startswith(adr.name[:4])] == [adr.name]
    for part in ("Context", "Decision", "Rejected", "Consequences"):
        assert re.search(rf"^## {part}$", text, re.MULTILINE), part
