"""The account of the pipeline may make all that the chart can bring, and nothing beside."""

from pathlib import Path

import yaml

from tests.chart.rendering import CHARTS, render, values_files

ACCOUNT = CHARTS.parent / "concourse" / "account.yaml"
# What Kubernetes' own role `edit` lets make, of that which charts bring; roles and bindings are not in it.
EDIT = {"v1", "apps/v1", "autoscaling/v2", "batch/v1", "networking.k8s.io/v1", "policy/v1"}


def _allowed() -> set[tuple[str, str]]:
    (role,) = [one for one in yaml.safe_load_all(ACCOUNT.read_text()) if one["kind"] == "Role"]
    (rule,) = role["rules"]
    assert {"get", "create", "update", "patch", "delete"} <= set(rule["verbs"])
    return {(group, resource) for group in rule["apiGroups"] for resource in rule["resources"]}


def _custom(values: Path) -> set[tuple[str, str]]:
    """Return group and plural of what a values file brings beside what `edit` allows."""
    found = {(one["apiVersion"], one["kind"]) for one in render(values).manifests}
    return {(version.partition("/")[0], f"{kind.lower()}s") for version, kind in found if version not in EDIT}


def test_every_custom_resource_of_the_chart_may_be_made() -> None:
    for values in values_files():
        assert _custom(values) <= _allowed(), values.name


def test_no_right_is_for_something_that_the_chart_never_brings() -> None:
    brought = set().union(*(_custom(values) for values in values_files()))
    assert {group for group, _ in _allowed()} == {group for group, _ in brought}
    assert {resource for _, resource in _allowed()} == {resource for _, resource in brought}
