"""What the expressions of rules and dashboard ask for, read by Prometheus's own grammar."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser
import yaml
from prometheus_client import REGISTRY

from dashboard.build import SCOPE
from runtime import metrics
from tests.chart.rendering import DIRECTORY

RULE_FILES = tuple(DIRECTORY / "files" / f"{name}.yaml" for name in ("recording-rules", "alerts"))
# What Prometheus itself adds to everything that it scrapes.
TARGET_LABELS = frozenset({"job", "namespace", "instance"})
_SUFFIXES = ("", "_total", "_count", "_sum", "_bucket")

_AROUND_ONE = (
    promql_parser.AggregateExpr,
    promql_parser.ParenExpr,
    promql_parser.SubqueryExpr,
    promql_parser.UnaryExpr,
)

Rule = dict[str, Any]


@dataclass(frozen=True)
class Selector:
    """One selector of an expression: the metric and the labels it is narrowed by, in their order."""

    metric: str
    labels: dict[str, str]


def rules(kind: str) -> list[Rule]:
    """Return all rules of a kind: `alert` or `record`."""
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def selectors(expression: str) -> Iterator[Selector]:
    """Yield the selectors of an expression.

    Raises:
        ValueError: it is no PromQL.
    """
    yield from _below(promql_parser.parse(expression))


def known_labels() -> dict[str, set[str]]:
    """Return the labels of every series that there may be: the product's, the recorded, and Prometheus's own."""
    assert metrics.WRITES is not None  # declared, so registered
    known: dict[str, set[str]] = {"up": set()}
    for family in REGISTRY.collect():
        for suffix in _SUFFIXES:
            collector = REGISTRY._names_to_collectors.get(family.name + suffix)
            if collector is not None:
                own = set(getattr(collector, "_labelnames", ()))
                known[family.name + suffix] = own | ({"le"} if suffix == "_bucket" else set())
    for rule in rules("record"):
        known[rule["record"]] = set(re.findall(r"[a-z]+", rule["record"].partition(":")[0]))
    return {name: labels | TARGET_LABELS for name, labels in known.items()}


def without_variables(expression: str) -> str:
    """Replace Grafana's variables as Grafana does for a reader who has chosen nothing."""
    return expression.replace(SCOPE, 'namespace=~".*"').replace("$__rate_interval", "1m").replace("$__interval", "15s")


def _below(node: Any) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        matchers = {matcher.name: matcher.value for matcher in node.matchers.matchers}
        yield Selector(node.name or matchers.pop("__name__"), matchers)
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _below(node.vector_selector)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _below(node.lhs)
        yield from _below(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _below(argument)
    elif isinstance(node, _AROUND_ONE):
        yield from _below(node.expr)
    else:
        assert isinstance(node, (promql_parser.NumberLiteral, promql_parser.StringLiteral)), node
