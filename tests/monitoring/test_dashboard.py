"""The dashboard: committed as it is generated, and it asks for what there is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.build import FILE, build
from tests.monitoring.expressions import known_labels, selectors, without_variables

DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())


def queries() -> Iterator[tuple[str, str, str]]:
    """Yield panel, legend and expression of every query."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["legendFormat"], target["expr"]


def test_the_committed_dashboard_is_the_generated_one() -> None:
    generated = FILE.read_text() == build()  # the difference would be longer than its reader's patience
    assert generated, "run make dashboard"


@pytest.mark.parametrize(("title", "legend", "expression"), list(queries()))
def test_a_query_asks_only_for_series_and_labels_that_there_are(title: str, legend: str, expression: str) -> None:
    known = known_labels()
    for selector in selectors(without_variables(expression)):
        assert selector.metric in known
        assert set(selector.labels) <= known[selector.metric]
        assert list(selector.labels)[:2] == ["namespace", "job"]
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= (grouped or {"job", "instance"})


def test_panels_do_not_overlap_and_each_says_what_it_shows() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"].endswith(".")


def test_every_panel_has_data_from_the_source_that_the_reader_chose() -> None:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
            assert [target["refId"] for target in panel["targets"]] == list("ABC")[: len(panel["targets"])]
