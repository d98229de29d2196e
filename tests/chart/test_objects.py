"""Everything around the pods: routes, policies, autoscaling, alerts, topics."""

import re
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import COMPONENTS, DIRECTORY, Manifest, Rendered, component, render, values_files
from user_directory_events.topics import events_topic, quarantine_topic

CI = DIRECTORY / "ci"
MINIMAL, GATEWAY, INGRESS = (CI / f"{name}-values.yaml" for name in ("minimal", "gateway", "ingress"))
STRIMZI, EXTRAS, DEV = CI / "strimzi-values.yaml", CI / "no-extras-values.yaml", DIRECTORY / "values-dev.yaml"


# --- routes

REQUESTS = [
    ("GET", "/users", "query-api"),
    ("HEAD", "/users/1", "query-api"),
    ("POST", "/users", "command-api"),
    ("PATCH", "/users/1", "command-api"),
    ("PUT", "/users/1", "command-api"),
    ("DELETE", "/users/1", "command-api"),
    ("POST", "/users/1/suspend", "command-api"),
    ("POST", "/users/import", "command-api"),
    ("POST", "/users/lookup", "query-api"),
    ("GET", "/writes/token", "command-api"),
    ("GET", "/changes", "query-api"),
    ("GET", "/openapi.json", "query-api"),
    ("GET", "/docs", "query-api"),
    ("HEAD", "/openapi/query-api.json", "query-api"),
    ("HEAD", "/openapi/command-api.json", "command-api"),
]


def _backend(rules: list[Manifest], method: str, path: str) -> str:
    """Route as the Gateway API says: an exact path, then the longest prefix, then a method."""
    best: tuple[tuple[bool, int, bool], str] | None = None
    for rule in rules:
        for match in rule["matches"]:
            value, exact = match["path"]["value"], match["path"]["type"] == "Exact"
            fits = path == value if exact else path == value or path.startswith(value.rstrip("/") + "/")
            if fits and match.get("method", method) == method:
                rank = (exact, len(value), "method" in match)
                if best is None or rank > best[0]:
                    best = (rank, rule["backendRefs"][0]["name"])
    assert best is not None
    return best[1]


@pytest.mark.parametrize(("method", "path", "side"), REQUESTS)
def test_the_route_goes_by_path_then_method(method: str, path: str, side: str) -> None:
    for values, name in ((GATEWAY, "ud-user-directory"), (STRIMZI, "ud-user-directory")):
        route = render(values).one("HTTPRoute", name)
        assert _backend(route["spec"]["rules"], method, path) == f"{name}-{side}"


def test_every_route_leads_to_a_service_that_is_there() -> None:
    for values in (GATEWAY, STRIMZI, INGRESS):
        rendered = render(values)
        ports = {s["metadata"]["name"]: s["spec"]["ports"][0] for s in rendered.of("Service")}
        for route in rendered.of("HTTPRoute"):
            for rule in route["spec"]["rules"]:
                for backend in rule.get("backendRefs", []):
                    assert ports[backend["name"]]["port"] == backend["port"]
        for ingress in rendered.of("Ingress"):
            services = [r["http"]["paths"][0]["backend"]["service"]["name"] for r in ingress["spec"]["rules"]]
            assert services == ["ud-user-directory-command-api", "ud-user-directory-query-api"]
            assert set(services) <= set(ports)


def test_the_own_gateway_serves_tls_from_the_certificate_and_redirects_to_it() -> None:
    rendered = render(GATEWAY)
    (gateway,), (certificate,) = rendered.of("Gateway"), rendered.of("Certificate")
    (https,) = [entry for entry in gateway["spec"]["listeners"] if entry["protocol"] == "HTTPS"]
    assert https["tls"]["certificateRefs"] == [{"name": certificate["spec"]["secretName"]}]
    assert certificate["spec"]["dnsNames"] == ["users.example.org"]
    assert rendered.one("HTTPRoute", "ud-user-directory")["spec"]["parentRefs"][0]["sectionName"] == "https"
    redirect = rendered.one("HTTPRoute", "ud-user-directory-to-https")["spec"]
    assert redirect["parentRefs"][0]["sectionName"] == "http"
    assert redirect["rules"][0]["filters"][0]["requestRedirect"]["scheme"] == "https"


# --- who may talk to whom


def _labels(rendered: Rendered) -> dict[str, dict[str, str]]:
    found = {
        t["metadata"]["labels"]["app.kubernetes.io/component"]: t["metadata"]["labels"] for _, t in rendered.pods()
    }
    return {**found, "a client": {"user-directory-client": "true"}, "a stranger": {}}


def _selected(selector: Manifest | None, labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = (selector or {}).get("matchLabels", {})
    return wanted.items() <= labels.items()


def _allowed(rendered: Rendered, source: str, target: str, port: str | int) -> bool:
    """Judge a connection between pods of one namespace as Kubernetes does."""
    labels = _labels(rendered)

    def passes(side: str, own: dict[str, str], other: dict[str, str], ports: set[str | int]) -> bool:
        direction, peers = ("Egress", "to") if side == "egress" else ("Ingress", "from")
        policies = [
            p["spec"]
            for p in rendered.of("NetworkPolicy")
            if direction in p["spec"]["policyTypes"] and _selected(p["spec"]["podSelector"], own)
        ]
        rules = [rule for policy in policies for rule in policy.get(side, [])]
        return not policies or any(
            any(entry["port"] in ports for entry in rule["ports"])
            and any(
                "podSelector" in peer and "namespaceSelector" not in peer and _selected(peer["podSelector"], other)
                for peer in rule[peers]
            )
            for rule in rules
        )

    ports = {port, "http"}
    return passes("egress", labels[source], labels[target], ports) and passes(
        "ingress", labels[target], labels[source], ports
    )


def test_only_what_must_talk_can_talk() -> None:
    rendered = render(DEV)
    ports = {"command-api": 8001, "query-api": 8002, "projector": 8003, "relay": 8004, "kafka": 9092, "redis": 6379}
    everyone = [*ports, "topics", "a client", "a stranger"]
    talk = {
        (source, target)
        for source in everyone
        for target, port in ports.items()
        if source != target and _allowed(rendered, source, target, port)
    }
    assert talk == {
        ("a client", "command-api"),
        ("a client", "query-api"),
        ("command-api", "kafka"),
        ("command-api", "redis"),
        ("query-api", "redis"),
        ("projector", "kafka"),
        ("projector", "redis"),
        ("relay", "kafka"),
        ("relay", "redis"),
        ("topics", "kafka"),
    }


@pytest.mark.parametrize("values", [DEV, MINIMAL], ids=lambda path: path.stem)
def test_no_pod_is_without_a_policy_in_either_direction(values: Path) -> None:
    rendered = render(values)
    for name, template in rendered.pods():
        directions = {
            direction
            for policy in rendered.of("NetworkPolicy")
            if _selected(policy["spec"]["podSelector"], template["metadata"]["labels"])
            and "helm.sh/hook" not in policy["metadata"].get("annotations", {})
            for direction in policy["spec"]["policyTypes"]
        }
        assert directions == {"Ingress", "Egress"}, name


@pytest.mark.parametrize("name", COMPONENTS)
def test_metrics_are_for_prometheus_and_names_for_everyone(name: str) -> None:
    policy = render(MINIMAL).one("NetworkPolicy", name)["spec"]
    namespaces = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for peer in policy["ingress"][0]["from"]
        if "namespaceSelector" in peer
    ]
    assert namespaces == (["monitoring"] if name in ("projector", "relay") else ["gateway", "monitoring"])
    assert {entry["port"] for entry in policy["egress"][0]["ports"]} == {53}


def test_servers_outside_may_be_narrowed_to_their_addresses() -> None:
    egress = render(INGRESS).one("NetworkPolicy", "projector")["spec"]["egress"]
    assert [(rule["ports"][0]["port"], rule["to"][0]["ipBlock"]["cidr"]) for rule in egress[1:]] == [
        (9094, "10.20.0.0/16"),
        (6379, "10.30.0.0/16"),
    ]


# --- one entry in the table


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount"])
def test_a_new_component_is_one_entry(kind: str) -> None:
    assert {component(m) for m in render(EXTRAS).of(kind)} == {*COMPONENTS, "relay-again"}


def test_a_new_component_has_policies_budget_and_monitor_too() -> None:
    again = ("args[0]=projector", "args[1]=relay", "port=8004", "portSetting=RELAY_PORT", "uses[0]=kafka")
    sets = [f"components.relay-again.{one}" for one in again]
    rendered = render(MINIMAL, *sets, "monitoring.serviceMonitors.enabled=true")
    for kind in ("NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"):
        assert "relay-again" in {component(m) for m in rendered.of(kind)}
    assert len(rendered.one("NetworkPolicy", "relay-again")["spec"]["egress"]) == 2  # DNS and Kafka, not Redis


def test_a_component_can_be_left_out() -> None:
    rendered = render(MINIMAL, "components.projector.enabled=false")
    assert {component(m) for m in rendered.of("Deployment")} == {"command-api", "query-api", "relay"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_component_scales_on_its_own(name: str) -> None:
    rendered = render(MINIMAL, f"components.{name}.replicas=7")
    replicas = {component(m): m["spec"]["replicas"] for m in rendered.of("Deployment")}
    assert replicas == {**dict.fromkeys(COMPONENTS, 2), name: 7}


# --- autoscaling


def test_the_apis_scale_by_cpu_and_requests() -> None:
    autoscaler = render(GATEWAY).one("HorizontalPodAutoscaler", "command-api")["spec"]
    assert [metric["type"] for metric in autoscaler["metrics"]] == ["Resource", "Pods"]
    assert "replicas" not in render(GATEWAY).one("Deployment", "command-api")["spec"]


@pytest.mark.parametrize(("partitions", "most"), [(3, 3), (24, 24), (200, 100)])
def test_the_projector_scales_by_lag_up_to_the_partitions(partitions: int, most: int) -> None:
    (scaled,) = render(GATEWAY, f"kafka.partitions={partitions}").of("ScaledObject")
    assert scaled["spec"]["maxReplicaCount"] == most
    assert scaled["spec"]["scaleTargetRef"]["name"] == "ud-user-directory-projector"
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert query == 'sum(user_directory_projector_lag_records{namespace="directory",job="projector"})'


def test_the_relay_scales_by_its_own_lag() -> None:
    rendered = render(GATEWAY, "components.relay.autoscaling.enabled=true", "kafka.partitions=3")
    scaled = rendered.one("ScaledObject", "relay")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert query == 'sum(user_directory_relay_lag_records{namespace="directory",job="relay"})'
    assert scaled["spec"]["maxReplicaCount"] == 3


def test_the_lag_can_be_an_external_metric() -> None:
    (autoscaler,) = render(INGRESS).of("HorizontalPodAutoscaler")
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "user_directory_projector_lag_records"
    assert autoscaler["spec"]["maxReplicas"] == 6


# --- monitoring


def test_the_charts_rules_look_at_its_own_namespace_alone() -> None:
    (rules,) = render(GATEWAY).of("PrometheusRule")
    assert rules["metadata"]["labels"]["release"] == "monitoring"
    files = [
        yaml.safe_load((DIRECTORY / "files" / f"{name}.yaml").read_text()) for name in ("recording-rules", "alerts")
    ]
    groups = rules["spec"]["groups"]
    assert [group["name"] for group in groups] == [group["name"] for file in files for group in file["groups"]]
    for rule in (rule for group in groups for rule in group["rules"]):
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors
        assert all(selector.startswith('namespace="directory",job=') for selector in selectors)


def test_alerts_lead_to_the_runbook_that_the_values_name() -> None:
    (rules,) = render(GATEWAY).of("PrometheusRule")
    urls = [r["annotations"]["runbook_url"] for g in rules["spec"]["groups"] for r in g["rules"] if "alert" in r]
    assert all(url.startswith("https://docs.example.org/user-directory/runbook#userdirectory") for url in urls)


def test_grafanas_sidecar_finds_the_dashboard() -> None:
    dashboard = render(GATEWAY).one("ConfigMap", "dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["data"] == {"user-directory.json": (DIRECTORY / "files" / "dashboard.json").read_text()}


def test_monitors_find_services_and_name_the_job_after_the_component() -> None:
    rendered = render(GATEWAY)
    for monitor in rendered.of("ServiceMonitor"):
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/component"
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [s for s in rendered.of("Service") if wanted.items() <= s["metadata"]["labels"].items()]
        assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


# --- Kafka of others


def test_strimzis_topics_are_as_the_processes_want_them() -> None:
    copies = {"replication_factor": 3, "min_insync_replicas": 2}
    wanted = [
        events_topic("user-events", partitions=12, **copies),
        quarantine_topic("user-events.quarantine", **copies),
    ]
    for topic in wanted:
        spec = render(STRIMZI).one("KafkaTopic", topic.name)["spec"]
        config = {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in spec["config"].items()
        }
        assert {key: value.lower() for key, value in {**topic.required, **topic.initial}.items()} == {
            key: value.lower() for key, value in config.items()
        }
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, topic.replication_factor)


def test_the_log_outlives_the_release() -> None:
    rendered = render(STRIMZI)
    for topic in rendered.of("KafkaTopic"):
        assert topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    (pool,) = rendered.of("KafkaNodePool")
    assert pool["spec"]["storage"]["volumes"][0]["deleteClaim"] is False


def test_a_broker_of_one_s_own_reaches_itself_under_its_advertised_name() -> None:
    pod = render(DEV).one("StatefulSet", "kafka")["spec"]["template"]["spec"]
    environment = {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}
    advertised = environment["KAFKA_ADVERTISED_LISTENERS"].removeprefix("PLAINTEXT://").partition(":")[0]
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": [advertised]}]


def test_the_processes_find_the_kafka_that_the_release_brings() -> None:
    for values, address in ((STRIMZI, "ud-user-directory-kafka-bootstrap:9092"), (DEV, "ud-user-directory-kafka:9092")):
        assert render(values).of("ConfigMap")[0]["data"]["KAFKA_BOOTSTRAP_SERVERS"] == address


def test_dev_runs_like_compose() -> None:
    compose = yaml.safe_load((DIRECTORY.parents[1] / "docker-compose.yml").read_text())["services"]["kafka"]
    container = render(DEV).one("StatefulSet", "kafka")["spec"]["template"]["spec"]["containers"][0]
    ours = {item["name"]: item["value"] for item in container["env"]}
    differ = {"KAFKA_ADVERTISED_LISTENERS", "KAFKA_HEAP_OPTS"}
    assert {k: v for k, v in ours.items() if k not in differ} == {
        k: v for k, v in compose["environment"].items() if k not in differ
    }


@pytest.mark.parametrize("values", values_files("platform"), ids=lambda path: path.stem)
def test_the_platforms_routes_are_let_in_and_certified(values: Path) -> None:
    rendered = render(values, chart="platform")
    (gateway,), (certificate,) = rendered.of("Gateway"), rendered.of("Certificate")
    https = gateway["spec"]["listeners"][1]
    (let_in,) = https["allowedRoutes"]["namespaces"]["selector"]["matchExpressions"]
    hosts = set()
    for route in rendered.of("HTTPRoute"):
        if route["spec"]["parentRefs"][0]["sectionName"] == "https":
            assert route["metadata"]["namespace"] in let_in["values"]
            hosts |= set(route["spec"]["hostnames"])
    assert hosts < set(certificate["spec"]["dnsNames"])  # and the directory's
    issuers = [issuer["metadata"]["name"] for issuer in rendered.of("ClusterIssuer")]
    assert issuers == ([] if values.stem.startswith("own-issuer") else [certificate["spec"]["issuerRef"]["name"]])
