"""Rules: they ask for what there is, say what to do, and each alert is tried by promtool."""

import re
from pathlib import Path

import pytest
import yaml

from query_api.changes import CHANGES_PATH
from query_api.export import EXPORT_PATH
from query_api.lists import USERS_PATH
from query_api.users import USER_PATH
from tests.monitoring.expressions import Rule, known_labels, rules, selectors

ROOT = Path(__file__).parents[2]
ALERTS, RECORDS = rules("alert"), rules("record")
UNIT_TESTS = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
OWN_ROUTES = {"/healthz", "/readyz", "/metrics"}
STREAMS = {CHANGES_PATH, EXPORT_PATH, "/users/import"}


def _name(rule: Rule) -> str:
    return str(rule.get("alert") or rule["record"])


@pytest.mark.parametrize("rule", [*RECORDS, *ALERTS], ids=_name)
def test_rules_ask_only_for_series_and_labels_that_there_are(rule: Rule) -> None:
    known = known_labels()
    names = set()
    for selector in selectors(rule["expr"]):
        assert selector.metric in known
        assert set(selector.labels) <= known[selector.metric], selector.metric
        assert next(iter(selector.labels)) == "job", "the chart puts the namespace in front of it"
        names.add(selector.metric)
    for wanted in re.findall(r"by \(([^)]*)\)", rule["expr"]):
        assert set(wanted.split(", ")) <= set().union(*(known[name] for name in names))


@pytest.mark.parametrize("rule", RECORDS, ids=_name)
def test_a_recorded_series_is_named_after_its_labels_what_it_is_and_how_it_is_made(rule: Rule) -> None:
    level, metric, operations = rule["record"].split(":")
    labels = set(level.split("_"))
    grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
    assert grouped
    assert all(set(one.split(", ")) - {"le"} == labels for one in grouped)
    assert metric.startswith("user_directory_")
    window = operations.rpartition("rate")[2] if "rate" in operations else operations.rpartition("_")[2]
    assert set(re.findall(r"\[(\w+)\]", rule["expr"])) == {window}


def test_routes_that_do_not_count_are_the_health_routes_and_for_the_latency_the_streams() -> None:
    patterns = {(r["record"].split(":")[1], p) for r in RECORDS for p in re.findall(r'route!~"([^"]*)"', r["expr"])}
    assert {metric for metric, _ in patterns} == {
        "user_directory_http_requests_failed",
        "user_directory_http_requests_slow",
    }
    for metric, pattern in patterns:
        left_out = {r for r in {*OWN_ROUTES, *STREAMS, USER_PATH, USERS_PATH} if re.fullmatch(pattern, r)}
        assert left_out == (OWN_ROUTES | STREAMS if metric.endswith("slow") else OWN_ROUTES)


@pytest.mark.parametrize("rule", ALERTS, ids=_name)
def test_an_alert_says_how_bad_it_is_and_has_its_entry_in_the_runbook(rule: Rule) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    entries = re.findall(r"(?m)^## (\w+)$", (ROOT / path).read_text())
    assert rule["alert"] in entries


def test_the_runbook_has_no_entry_of_an_alert_that_is_gone_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"(?m)^## (.+)$", text)
    assert set(headings) == {"Objectives", "Traces", *(rule["alert"] for rule in ALERTS)}
    assert set(re.findall(r"\(#([a-z]+)\)", text)) <= {heading.lower() for heading in headings}


@pytest.mark.parametrize("rule", ALERTS, ids=_name)
def test_promtool_sees_each_alert_fire_and_stay_silent(rule: Rule) -> None:
    tried = [
        bool(case.get("exp_alerts"))
        for path in UNIT_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert set(tried) == {True, False}
