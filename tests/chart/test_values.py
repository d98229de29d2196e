"""values.yaml, its schema and its documentation say the same."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.rendering import CHARTS, DIRECTORY, RenderError, render, values_files
from tests.chart.values_table import NAMES, undocumented, with_table

MINIMAL = DIRECTORY / "ci" / "minimal-values.yaml"


@pytest.mark.parametrize("chart", NAMES)
def test_the_readme_names_every_value(chart: str) -> None:
    assert undocumented(chart) == []
    assert (CHARTS / chart / "README.md").read_text() == with_table(chart), "run python -m tests.chart.values_table"


@pytest.mark.parametrize("chart", NAMES)
def test_the_schema_is_a_schema(chart: str) -> None:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("chart", NAMES)
def test_the_schema_knows_every_value_and_no_other(chart: str) -> None:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    _same_keys(schema, schema, values, "")


def _same_keys(root: dict[str, Any], schema: dict[str, Any], values: Any, path: str) -> None:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if schema.get("additionalProperties") is not False or "properties" not in schema:
        return
    if isinstance(values, dict):
        # A component's own, without a default; and what helm gives to every chart.
        own = {"args", "port", "portSetting"} if path == ".componentDefaults" else {"global"}
        known = set(schema["properties"]) - own
        assert set(values) == known, path
        for key, value in values.items():
            _same_keys(root, schema["properties"][key], value, f"{path}.{key}")


@pytest.mark.parametrize(
    "wrong",
    [
        "replicas=3",
        "image.tags=1",
        "image.pullPolicy=Sometimes",
        "image.digest=sha256:1",
        "settings.lower=1",
        "kafka.partitions=0",
        "kafka.bootstrapServers=kafka",
        "redis.url=http://redis",
        "redis.url=redis://:secret@redis:6379/0",
        "components.query-api.replica=3",
        "components.query-api.replicas=-1",
        "components.query-api.uses[0]=postgres",
        "components.query-api.autoscaling.lag.source=magic",
        "components.another.port=8005",
        "componentDefaults.topologySpread[0].whenUnsatisfiable=Maybe",
        "networkPolicy.clients[0].pods=all",
        "gatewayApi.hostnames[0]=Not A Host",
        "gatewayApi.tls.issuerRef.kind=Authority",
        "monitoring.serviceMonitors.interval=often",
        "strimzi.version=4",
        "dev.kafka.storage=1Gi",
        "drainSeconds=0",
    ],
)
def test_a_wrong_value_is_refused(wrong: str) -> None:
    with pytest.raises(RenderError, match="don't meet the specifications of the schema"):
        render(MINIMAL, wrong)


@pytest.mark.parametrize(
    ("values", "sets", "message"),
    [
        (None, (), "Kafka is not named"),
        (None, ("kafka.bootstrapServers=k:1",), "Redis is not named"),
        (MINIMAL, ("gatewayApi.enabled=true",), "has no Gateway"),
        (MINIMAL, ("gatewayApi.enabled=true", "gatewayApi.gateway.create=true"), "name at least one host"),
        (MINIMAL, ("ingress.enabled=true",), "commandHost is not set"),
        (MINIMAL, ("externalSecret.enabled=true",), "store.name is not set"),
        (MINIMAL, ("components.projector.autoscaling.enabled=true", "kafka.partitions=1"), "above the most copies"),
        (
            MINIMAL,
            ("components.query-api.autoscaling.enabled=true", "components.query-api.autoscaling.cpu=0"),
            "looks at nothing",
        ),
    ],
)
def test_what_is_missing_is_said(values: Path | None, sets: tuple[str, ...], message: str) -> None:
    with pytest.raises(RenderError, match=message):
        render(values, *sets)


def test_every_values_file_says_what_it_is_for() -> None:
    for path in [*values_files(), *values_files("platform")]:
        assert path.read_text().startswith("# "), path
