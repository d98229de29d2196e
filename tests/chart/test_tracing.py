"""Traces are off until an endpoint is named; then the processes know it and may reach it."""

import pytest

from tests.chart.rendering import COMPONENTS, Manifest, Rendered, RenderError, render
from tests.chart.test_objects import MINIMAL

ENDPOINT = "tracing.endpoint=http://collector.tracing.svc:4318"
NAMES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG")


def settings(rendered: Rendered) -> dict[str, str]:
    found: dict[str, str] = rendered.one("ConfigMap", "settings")["data"]
    return {name: found[name] for name in NAMES if name in found}


def ports_out(rendered: Rendered, component: str) -> list[Manifest]:
    rules = rendered.one("NetworkPolicy", component)["spec"]["egress"]
    return [rule for rule in rules if {"port": 4318} in rule["ports"]]


def test_there_are_no_traces_until_an_endpoint_is_named() -> None:
    rendered = render(MINIMAL)
    assert settings(rendered) == {}
    assert not any(ports_out(rendered, component) for component in COMPONENTS)


def test_the_processes_know_the_collector_and_may_reach_it() -> None:
    rendered = render(MINIMAL, ENDPOINT, "tracing.ratio=0.25")
    assert settings(rendered) == dict(zip(NAMES, ("http://collector.tracing.svc:4318", "0.25"), strict=True))
    for component in COMPONENTS:
        assert ports_out(rendered, component) == [{"ports": [{"port": 4318}]}]


def test_the_policies_name_the_collector_where_it_is_known() -> None:
    where = "networkPolicy.collector.to[0].namespaceSelector.matchLabels.name=tracing"
    (rule,) = ports_out(render(MINIMAL, ENDPOINT, where), "projector")
    assert rule["to"] == [{"namespaceSelector": {"matchLabels": {"name": "tracing"}}}]


@pytest.mark.parametrize("wrong", ["tracing.endpoint=collector:4318", "tracing.ratio=2", "tracing.enabled=true"])
def test_what_cannot_be_meant_is_refused(wrong: str) -> None:
    with pytest.raises(RenderError):
        render(MINIMAL, ENDPOINT, wrong)
