"""The pods: hardened, probed, drained, configured."""

import re
from pathlib import Path

import pytest

from command_api.settings import CommandSettings
from projector.settings import ProjectorSettings, RelaySettings
from query_api.settings import QuerySettings
from runtime.graceful_server import FAREWELL_SECONDS
from runtime.server import CLOSING_SECONDS
from runtime.settings import Settings, variable_name
from tests.chart.rendering import COMPONENTS, DIRECTORY, component, environment, render, values_files

ALL = pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
MINIMAL = DIRECTORY / "ci" / "minimal-values.yaml"
CLASSES: dict[str, type[Settings]] = {
    "command-api": CommandSettings,
    "query-api": QuerySettings,
    "projector": ProjectorSettings,
    "relay": RelaySettings,
}


@ALL
def test_every_pod_is_hardened(values: Path) -> None:
    for name, template in render(values).pods():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["readOnlyRootFilesystem"] is not name.endswith("-kafka"), name
            assert {"cpu", "memory"} == set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name


@ALL
def test_our_image_runs_as_its_own_user_with_a_place_for_files(values: Path) -> None:
    for name, template in render(values).pods():
        if name.endswith(("-kafka", "-redis")):
            continue
        assert template["spec"]["securityContext"]["runAsUser"] == 10001
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == ["/tmp"]


@ALL
def test_no_selector_holds_a_version(values: Path) -> None:
    for manifest in render(values).of("Deployment", "StatefulSet", "Service", "PodDisruptionBudget"):
        selector = manifest["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        assert set(labels) == {f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")}


@ALL
def test_every_selector_finds_its_pods_and_no_others(values: Path) -> None:
    rendered = render(values)
    pods = dict(rendered.pods())
    for manifest in rendered.of("Service", "PodDisruptionBudget"):
        selector = manifest["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        found = [name for name, pod in pods.items() if labels.items() <= pod["metadata"]["labels"].items()]
        assert found == [manifest["metadata"]["name"]]


@ALL
def test_probes_ask_the_right_questions(values: Path) -> None:
    for deployment in render(values).of("Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        paths = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert {kind: get["path"] for kind, get in paths.items()} == {
            "startupProbe": "/healthz",
            "livenessProbe": "/healthz",
            "readinessProbe": "/readyz",
        }
        assert {get["port"] for get in paths.values()} == {container["ports"][0]["name"]}


@ALL
def test_nothing_is_killed_before_it_has_drained(values: Path) -> None:
    rendered = render(values)
    settings = next(m for m in rendered.of("ConfigMap") if component(m) != "dashboard")["data"]
    for deployment in rendered.of("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        delay = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        process = int(settings["DRAIN_SECONDS"]) + FAREWELL_SECONDS + CLOSING_SECONDS
        assert delay >= 3
        assert spec["terminationGracePeriodSeconds"] > delay + process
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@ALL
def test_every_setting_is_one_that_a_process_reads(values: Path) -> None:
    rendered = render(values)
    known = {variable_name(field) for cls in CLASSES.values() for field in cls.model_fields}
    for manifest in (m for m in rendered.of("ConfigMap") if component(m) != "dashboard"):
        assert set(manifest["data"]) <= known
    for deployment in rendered.of("Deployment"):
        name = component(deployment)
        if name in CLASSES:
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            assert set(environment(container)) <= known


def test_the_ports_are_those_of_the_processes() -> None:
    rendered = render(MINIMAL)
    for name, cls in CLASSES.items():
        setting = f"{name.replace('-', '_')}_port"
        container = rendered.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        port = cls.model_fields[setting].default
        assert container["ports"][0]["containerPort"] == port
        assert environment(container)[variable_name(setting)] == str(port)
        assert rendered.one("Service", name)["spec"]["ports"][0]["port"] == port


def test_another_port_is_told_to_the_process() -> None:
    rendered = render(MINIMAL, "components.query-api.port=9002")
    container = rendered.one("Deployment", "query-api")["spec"]["template"]["spec"]["containers"][0]
    assert environment(container)["QUERY_API_PORT"] == "9002"
    assert rendered.one("Service", "query-api")["spec"]["ports"][0]["port"] == 9002


def test_a_changed_setting_restarts_the_pods_and_an_unchanged_one_does_not() -> None:
    def checksums(*sets: str) -> set[str]:
        return {
            deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for deployment in render(MINIMAL, *sets).of("Deployment")
        }

    (before,) = checksums()
    assert checksums("components.query-api.replicas=5") == {before}
    assert before not in checksums("settings.LOG_LEVEL=debug")


def test_no_pod_template_holds_the_charts_version() -> None:
    for _, template in render(MINIMAL).pods():
        assert "helm.sh/chart" not in template["metadata"]["labels"]
        assert "app.kubernetes.io/version" not in template["metadata"]["labels"]


@pytest.mark.parametrize("name", ["gateway", "ingress", "strimzi"])
def test_a_secret_url_is_only_referred_to(name: str) -> None:
    rendered = render(DIRECTORY / "ci" / f"{name}-values.yaml")
    references = {
        "gateway": {"name": "user-directory-redis", "key": "redis-url"},
        "ingress": {"name": "redis", "key": "url"},
        "strimzi": {"name": "ud-user-directory-settings", "key": "REDIS_URL"},
    }
    assert "REDIS_URL" not in rendered.of("ConfigMap")[0]["data"]
    for deployment in rendered.of("Deployment"):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert environment(container)["REDIS_URL"] == {"secretKeyRef": references[name]}


def test_the_external_secret_makes_the_secret_that_the_pods_read() -> None:
    (secret,) = render(DIRECTORY / "ci" / "strimzi-values.yaml").of("ExternalSecret")
    assert secret["spec"]["target"]["name"] == "ud-user-directory-settings"
    assert [item["secretKey"] for item in secret["spec"]["data"]] == ["REDIS_URL"]


def test_a_digest_counts_instead_of_the_tag() -> None:
    images = {t["spec"]["containers"][0]["image"] for _, t in render(DIRECTORY / "ci" / "gateway-values.yaml").pods()}
    (image,) = images
    assert re.fullmatch(r"registry\.example\.org/user-directory@sha256:[0-9a-f]{64}", image)


def test_each_process_runs_its_own_command() -> None:
    commands = {c: render(MINIMAL).one("Deployment", c)["spec"]["template"]["spec"]["containers"][0]["args"]
                for c in COMPONENTS}  # fmt: skip
    assert commands == {
        "command-api": ["command_api"],
        "query-api": ["query_api"],
        "projector": ["projector"],
        "relay": ["projector", "relay"],
    }
    (job,) = render(MINIMAL).of("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["projector", "topics"]


@ALL
def test_the_topics_come_first_unless_this_release_brings_what_they_need(values: Path) -> None:
    later = values.stem in ("values-dev", "strimzi-values", "gke-dev-values", "gke-prod-values")
    for hook in [m for m in render(values).manifests if "helm.sh/hook" in m["metadata"].get("annotations", {})]:
        annotations = hook["metadata"]["annotations"]
        assert annotations["helm.sh/hook"].startswith("post-install" if later else "pre-install")
        # Helm uninstalls no hook, so each must go by itself.
        assert "hook-succeeded" in annotations["helm.sh/hook-delete-policy"]


def test_the_job_needs_nothing_that_is_not_there_before_the_release() -> None:
    (job,) = render(MINIMAL).of("Job")
    spec = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in spec
    assert "envFrom" not in spec["containers"][0]
    assert environment(spec["containers"][0])["KAFKA_BOOTSTRAP_SERVERS"] == "kafka-0.kafka:9092,kafka-1.kafka:9092"


def test_settings_that_name_files_have_them_from_secrets() -> None:
    sets = ("secretFiles.KAFKA_SSL_CAFILE.secret=kafka-ca", "secretFiles.KAFKA_SSL_CAFILE.key=ca.crt")
    rendered = render(DIRECTORY / "ci" / "gke-dev-values.yaml", *sets)
    stored = rendered.one("ExternalSecret", "settings")["spec"]["data"]
    assert {"secretKey": "REDIS_CA_FILE", "remoteRef": {"key": "ud-dev-redis-ca"}} in stored
    for name, template in rendered.pods():
        (container,) = template["spec"]["containers"]
        (mount,) = [one for one in container["volumeMounts"] if one["name"] == "files"]
        (volume,) = [one for one in template["spec"]["volumes"] if one["name"] == "files"]
        files = {
            f"{mount['mountPath']}/{item['path']}": (source["secret"]["name"], item["key"])
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }
        named = environment(container)
        assert files == {
            named["KAFKA_SSL_CAFILE"]: ("kafka-ca", "ca.crt"),
            named["REDIS_CA_FILE"]: ("ud-user-directory-settings", "REDIS_CA_FILE"),
        }, name
        assert mount["readOnly"]


def test_kafka_is_shown_a_token_of_the_pods_service_account() -> None:
    sets = (
        "kafka.token.audience=kafka",
        "kafka.token.expirationSeconds=900",
        "settings.KAFKA_SECURITY_PROTOCOL=SASL_SSL",
        "settings.KAFKA_SASL_MECHANISM=OAUTHBEARER",
    )
    for name, template in render(MINIMAL, *sets).pods():
        (container,) = template["spec"]["containers"]
        (mount,) = [one for one in container["volumeMounts"] if one["name"] == "files"]
        (volume,) = [one for one in template["spec"]["volumes"] if one["name"] == "files"]
        (source,) = volume["projected"]["sources"]
        token = source["serviceAccountToken"]
        assert (token["audience"], token["expirationSeconds"]) == ("kafka", 900), name
        assert environment(container)["KAFKA_SASL_TOKEN_FILE"] == f"{mount['mountPath']}/{token['path']}"


def test_without_files_there_is_no_volume_for_them() -> None:
    for _, template in render(DIRECTORY / "ci" / "gateway-values.yaml").pods():
        assert "files" not in {volume["name"] for volume in template["spec"]["volumes"]}
