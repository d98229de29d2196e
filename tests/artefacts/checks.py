"""One check for each artefact and tool: it raises `Fault` with what the tool says, or `CannotRun` without the tool."""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft7Validator
from kubernetes_validate import SchemaNotFoundError, ValidationError, utils, validate

from tests.artefacts import pipelines, provisioning
from tests.artefacts.tools import CannotRun, Fault, files, tool

DCLINT: Final = "dclint@3.1.0"
ASYNCAPI_SPECS: Final = "@asyncapi/specs@6.11.1"
VERSIONS: Final = list(dict.fromkeys(utils.major_minor(version) for version in utils.all_versions()))[-3:]
CHARTS: Final = ("user-directory", "platform")
# Custom resources, whose schemas no release of Kubernetes has: `make test-cluster` shows them to a real API server.
BY_API_SERVER: Final = {
    ("cert-manager.io/v1", "Certificate"),
    ("cert-manager.io/v1", "ClusterIssuer"),
    ("external-secrets.io/v1", "ExternalSecret"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("kafka.strimzi.io/v1", "Kafka"),
    ("kafka.strimzi.io/v1", "KafkaNodePool"),
    ("kafka.strimzi.io/v1", "KafkaTopic"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
}
_SHELL: Final = ("*.sh", ".ci/*")
# The name of a Secret or of a key in it is no secret. The tool itself puts quotes around the values of YAML.
_NAME_OF_A_SECRET: Final = r"(?:existingSecret|passwordKey|[sS]ecretName|SecretKey|secret): \"?[a-z-]*\"?$"
_SHFMT: Final = ("-d", "-i", "4", "-ci")


@dataclass(frozen=True)
class Check:
    """A check of the project in a folder."""

    name: str
    run: Callable[[Path], str]


def dockerfile(root: Path) -> str:
    """Lint the Dockerfile with hadolint."""
    tool(root, "hadolint", "--config", ".hadolint.yaml", "Dockerfile")
    return "Dockerfile"


def compose(root: Path) -> str:
    """Let compose itself read its file."""
    plugin = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    )
    if not plugin or plugin.returncode != 0:
        raise CannotRun("docker with its compose plugin is not on the PATH")
    tool(root, "docker", "compose", "--file", "docker-compose.yml", "config", "--quiet")
    return "docker-compose.yml"


def compose_lint(root: Path) -> str:
    """Lint the compose file with dclint."""
    tool(root, "npx", "--yes", DCLINT, "--config", ".dclintrc.json", "--max-warnings", "0", "docker-compose.yml")
    return "docker-compose.yml"


def shell(root: Path) -> str:
    """Check every shell script with shellcheck and shfmt."""
    scripts = [path for pattern in _SHELL for path in files(root, pattern)]
    tool(root, "shellcheck", "--severity=style", *scripts)
    tool(root, "shfmt", *_SHFMT, *scripts)
    return f"{len(scripts)} scripts"


def yaml_files(root: Path) -> str:
    """Lint every YAML file with yamllint."""
    found = [path for pattern in ("*.yaml", "*.yml", ".yamllint") for path in files(root, pattern)]
    tool(root, "yamllint", "--strict", *found)
    return f"{len(found)} files"


def secrets(root: Path) -> str:
    """Look for secrets in everything that describes a deployment."""
    found = [
        p for p in files(root, "*") if p.startswith(("charts/", "docker")) or p in ("Dockerfile", "docs/deploy.md")
    ]
    tool(root, "detect-secrets-hook", "--no-verify", "--exclude-lines", _NAME_OF_A_SECRET, *found)
    return f"{len(found)} files"


def charts_lint(root: Path) -> str:
    """Lint the charts with every values file."""
    count = 0
    for chart, values in _installs(root):
        tool(root, "helm", "lint", "--strict", f"charts/{chart}", "--values", str(values))
        count += 1
    return f"{count} values files"


def charts_schemas(root: Path) -> str:
    """Validate what the charts render against the schemas of the three newest Kubernetes, strictly."""
    manifests = custom = 0
    for chart, values in _installs(root):
        where = f"charts/{chart} with {values.name}"
        for manifest in yaml.safe_load_all(
            tool(root, "helm", "template", "ud", f"charts/{chart}", "--values", str(values))
        ):
            if manifest is None:
                continue
            if (manifest["apiVersion"], manifest["kind"]) in BY_API_SERVER:
                custom += 1
                continue
            manifests += 1
            _valid(manifest, where)
    return f"{manifests} manifests for {', '.join(VERSIONS)}; {custom} custom resources are for the real API server"


def charts_tests(root: Path) -> str:
    """Test what the charts render."""
    if not shutil.which("helm"):
        raise CannotRun("helm is not on the PATH")
    out = tool(root, sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/chart")
    return out.strip().splitlines()[-1]


def jobs(root: Path) -> str:
    """Run the pipelines' jobs task by task against doubles of their peers, but for what only builds and tests."""
    if not shutil.which("helm"):
        raise CannotRun("helm is not on the PATH")
    out = tool(root, sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/pipelines")
    return out.strip().splitlines()[-1]


def rules(root: Path) -> str:
    """Check the rules with promtool, as they are and as the chart renders them, and run the alerts' unit tests."""
    tool(root, "promtool", "check", "rules", *files(root, "charts/user-directory/files/*.yaml"))
    values = "charts/user-directory/ci/gateway-values.yaml"
    rendered = tool(root, "helm", "template", "ud", "charts/user-directory", "--values", values)
    (spec,) = [m["spec"] for m in yaml.safe_load_all(rendered) if m and m["kind"] == "PrometheusRule"]
    tool(root, "promtool", "check", "rules", "/dev/stdin", stdin=json.dumps(spec))
    tool(root, "promtool", "check", "config", "--syntax-only", "docker/prometheus.yml")
    tool(root, "promtool", "test", "rules", *files(root, "tests/monitoring/alerts/*.yaml"))
    return f"{sum(len(group['rules']) for group in spec['groups'])} rules"


def monitoring(root: Path) -> str:
    """Test that rules and dashboard ask for what there is, and that the dashboard is the generated one."""
    out = tool(root, sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/monitoring")
    return out.strip().splitlines()[-1]


def asyncapi(root: Path) -> str:
    """Validate the AsyncAPI document against the specification's own JSON Schema."""
    document = json.loads((root / "events" / "asyncapi.json").read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        packed = tool(root, "npm", "pack", "--silent", "--pack-destination", folder, ASYNCAPI_SPECS).strip()
        with tarfile.open(Path(folder) / packed) as package:
            schema = package.extractfile(f"package/schemas/{document['asyncapi']}.json")
            if schema is None:
                raise Fault(f"{ASYNCAPI_SPECS} has no schema of AsyncAPI {document['asyncapi']}")
            validator = Draft7Validator(json.load(schema))
    faults = [
        f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in validator.iter_errors(document)
    ]
    if faults:
        raise Fault("\n".join(faults)[:3000])
    return f"AsyncAPI {document['asyncapi']}, {len(document['components']['messages'])} messages"


CHECKS: Final = (
    Check("Dockerfile: hadolint", dockerfile),
    Check("compose: docker compose config", compose),
    Check("compose: dclint", compose_lint),
    Check("shell: shellcheck, shfmt", shell),
    Check("YAML: yamllint", yaml_files),
    Check("secrets: detect-secrets", secrets),
    Check("charts: helm lint", charts_lint),
    Check("charts: Kubernetes schemas", charts_schemas),
    Check("charts: tests", charts_tests),
    Check("rules: promtool", rules),
    Check("rules, dashboard: tests", monitoring),
    Check("AsyncAPI: its JSON Schema", asyncapi),
    Check("Terraform: fmt, validate", provisioning.validate),
    Check("Terraform: test", provisioning.test),
    Check("Terraform: checkov", provisioning.checkov),
    Check("Concourse: pipelines and tasks", pipelines.concourse),
    Check("Concourse: jobs", jobs),
    Check("Sonar: properties", pipelines.sonar),
)


def _valid(manifest: dict[str, Any], where: str) -> None:
    name = f"{manifest['kind']}/{manifest['metadata']['name']}"
    for version in VERSIONS:
        try:
            validate(manifest, version, strict=True)
        except ValidationError as error:
            path = ".".join(map(str, error.path))
            raise Fault(f"{where}: {name} is not valid in Kubernetes {version}: {path}: {error.message}") from error
        except SchemaNotFoundError as error:
            raise Fault(f"{where}: {error.message}; custom resources are listed in BY_API_SERVER") from error


def _installs(root: Path) -> Iterator[tuple[str, Path]]:
    for chart in CHARTS:
        found = [
            *sorted((root / "charts" / chart).glob("ci/*-values.yaml")),
            *(root / "charts" / chart).glob("values-*.yaml"),
        ]
        if not found:
            raise Fault(f"charts/{chart} has no values files to be installed with")
        for values in found:
            yield chart, values.relative_to(root)
