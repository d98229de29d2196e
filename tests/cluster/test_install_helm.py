"""charts/install-helm.sh against a real API server: `make test-install-helm CRDS=folder`.

A cluster without nodes is enough, and it must be a throw-away one: the script's namespaces are deleted at the end. The
public charts are stand-ins from a local chart repository, under the pinned versions; CRDS holds the real CRDs.
"""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "charts" / "install-helm.sh"
VERSIONS = dict(re.findall(r"(?m)^([A-Z_]+)=(.+)$", (ROOT / "charts" / "versions.env").read_text()))
# Chart, release and the CRDs that the real one brings and ours need.
PUBLIC = {
    "cert-manager": ("cert-manager", "cert-manager/*certificates.yaml", "cert-manager/*clusterissuers.yaml"),
    "nginx-gateway-fabric": ("nginx-gateway-fabric",),
    "kube-prometheus-stack": ("monitoring", "prometheus-operator/*monitors.yaml", "prometheus-operator/*rules.yaml"),
    "sonarqube": ("sonarqube",),
    "concourse": ("concourse",),
}  # fmt: skip
NAMESPACES = ["cert-manager", "nginx-gateway", "monitoring", "sonarqube", "concourse", "gateway", "user-directory"]
RELEASES = [*(release for release, *_ in PUBLIC.values()), "platform", "user-directory"]
# They change by themselves.
RESTLESS = {"events", "events.events.k8s.io", "leases.coordination.k8s.io"}
TOOLS = ["helm", "kubectl", "ssh-keygen", "openssl", "sha256sum"]
BASICS = ["bash", "cat", "cut", "dirname", "env", "find", "grep", "mktemp", "rm", "sed", "sort", "tail", "tr", "xargs"]

pytestmark = pytest.mark.timeout(300)


def _run(*command: str, **environ: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environ, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Installer:
    """The script with a local chart repository and values under which the directory needs no node."""

    def __init__(self, folder: Path, crds: Path) -> None:
        self._folder = folder
        self._crds = crds
        self.values = folder / "values"
        self.values.mkdir()
        self.set_values("user-directory", {"topicJob": {"enabled": False}, "componentDefaults": {"replicas": 0},
                                           "kafka": {"bootstrapServers": "kafka:9092"},
                                           "redis": {"url": "redis://redis:6379/0"}})  # fmt: skip
        for name in PUBLIC:
            self.publish(name)

    def set_values(self, release: str, values: dict[str, Any]) -> None:
        (self.values / f"{release}.yaml").write_text(json.dumps(values))

    def publish(self, name: str, broken: bool = False) -> None:
        """Put a stand-in into the repository, or one that does not render."""
        chart = self._folder / "source" / name
        shutil.rmtree(chart, ignore_errors=True)
        (chart / "templates").mkdir(parents=True)
        version = VERSIONS[f"{name.upper().replace('-', '_')}_VERSION"]
        (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
        body = '{{ fail "a planted fault" }}' if broken else "{{ toYaml .Values | nindent 4 }}"
        (chart / "templates" / "values.yaml").write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  values: |-\n" + body
        )
        for pattern in PUBLIC[name][1:]:
            found = list(self._crds.glob(pattern))
            assert found, f"CRDS has no {pattern}"
            (chart / "crds").mkdir(exist_ok=True)
            for path in found:
                shutil.copy(path, chart / "crds")
        repository = self._folder / "repository"
        repository.mkdir(exist_ok=True)
        _run("helm", "package", str(chart), "--destination", str(repository))
        _run("helm", "repo", "index", str(repository))

    def run(self, url: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [str(SCRIPT), "--domain", "apps.example.org", "--values", str(self.values), "--repository", url]
        known = {"GATEWAY_API_CRDS": str(self._crds / "gateway-api"), "GATEWAY_API_VERSION": _bundle(self._crds)}
        return subprocess.run(
            [*command, "--timeout", "60s", *arguments],
            capture_output=True, text=True, env=os.environ | known | environ, check=False,
        )  # fmt: skip


def _bundle(crds: Path) -> str:
    text = (next((crds / "gateway-api").glob("*gatewayclasses.yaml"))).read_text()
    (version,) = re.findall(r"bundle-version: v(\S+)", text)
    return str(version)


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Installer:
    return Installer(tmp_path_factory.mktemp("installer"), Path(os.environ["CRDS"]))


@pytest.fixture(scope="module")
def repository(installer: Installer) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    handler = partial(Quiet, directory=str(installer._folder / "repository"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    _run("kubectl", "delete", "namespace", "--ignore-not-found", "--wait=false", *NAMESPACES)
    crds = [
        f"--filename={os.environ['CRDS']}/{name}" for name in ("gateway-api", "cert-manager", "prometheus-operator")
    ]
    _run("kubectl", "delete", "--ignore-not-found", *crds)


def _everything() -> dict[str, str]:
    kinds = _run("kubectl", "api-resources", "--verbs=list", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if kind not in RESTLESS)
    items = json.loads(_run("kubectl", "get", wanted, "--all-namespaces", "-o", "json"))["items"]
    return {
        f"{i['kind']}/{i['metadata'].get('namespace', '')}/{i['metadata']['name']}": i["metadata"].get(
            "resourceVersion"
        )
        for i in items
    }


def _told(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(
        line.split(None, 1) for line in done.stdout.splitlines() if not line.startswith(("namespace", "secret"))
    )


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(installer: Installer, repository: str) -> None:
    before = _everything()
    done = installer.run(repository, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: told.split()[0] for name, told in _told(done).items()} == dict.fromkeys(
        ["gateway-api", *RELEASES], "would"
    )
    assert _everything() == before


def test_the_first_run_installs_everything_and_the_second_changes_nothing(
    installer: Installer, repository: str
) -> None:
    first = installer.run(repository)
    assert (first.returncode, first.stderr) == (0, "")
    assert {told.split()[0].rstrip(",") for told in _told(first).values()} == {"installed"}
    before = _everything()
    second = installer.run(repository)
    assert (second.returncode, second.stderr) == (0, "")
    assert set(_told(second).values()) == {"is as it must be"}
    assert _everything() == before


def test_one_domain_gives_every_route_with_tls() -> None:
    routes = json.loads(_run("kubectl", "get", "httproutes", "--all-namespaces", "-o", "json"))["items"]
    by_tls = {
        host
        for route in routes
        if route["spec"]["parentRefs"][0]["sectionName"] == "https"
        for host in route["spec"]["hostnames"]
    }
    names = {f"{name}.apps.example.org" for name in ("directory", "sonarqube", "concourse", "prometheus", "grafana")}
    assert by_tls == names
    certificate = json.loads(_run("kubectl", "-n", "gateway", "get", "certificate", "platform", "-o", "json"))
    assert set(certificate["spec"]["dnsNames"]) == names


def test_a_changed_value_upgrades_its_release_alone(installer: Installer, repository: str) -> None:
    installer.set_values("sonarqube", {"replicaCount": 2})
    done = installer.run(repository)
    assert done.returncode == 0
    changed = {name for name, told in _told(done).items() if told != "is as it must be"}
    assert changed == {"sonarqube"}


def test_secrets_are_made_once_and_are_not_the_charts_own() -> None:
    secret = json.loads(_run("kubectl", "-n", "concourse", "get", "secret", "concourse-web", "-o", "json"))
    assert set(secret["data"]) == {"host-key", "session-signing-key", "worker-key-pub", "local-users"}


@pytest.mark.parametrize("chart", PUBLIC)
def test_a_failing_chart_gives_one_clear_line(installer: Installer, repository: str, chart: str) -> None:
    release = PUBLIC[chart][0]
    installer.publish(chart, broken=True)
    try:
        done = installer.run(repository, "--only", release, "--reapply")
    finally:
        installer.publish(chart)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"install-helm.sh: {release} failed: ")
    assert "a planted fault" in line


def test_our_own_charts_fail_with_one_clear_line(installer: Installer, repository: str) -> None:
    for release in ("user-directory", "platform"):
        installer_values = installer.values / f"{release}.yaml"
        kept = installer_values.read_text() if installer_values.exists() else None
        installer.set_values(release, {"nonsense": True})
        done = installer.run(repository, "--only", release)
        installer_values.unlink()
        if kept is not None:
            installer_values.write_text(kept)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"install-helm.sh: {release} failed: ")
        assert "nonsense" in line


@pytest.mark.parametrize("missing", TOOLS)
def test_a_missing_tool_gives_one_clear_line(
    installer: Installer, repository: str, missing: str, tmp_path: Path
) -> None:
    for tool in {*TOOLS, *BASICS} - {missing}:
        path = shutil.which(tool)
        assert path, f"the test itself needs {tool}"
        (tmp_path / tool).symlink_to(path)
    done = installer.run(repository, PATH=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"install-helm.sh: {missing} is not on the PATH")


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        (["--only", "jenkins"], {}, "there is no release jenkins"),
        (["--domain", "bad domain"], {}, "'bad domain' is no domain"),
        (["--colour"], {}, "unknown option --colour"),
        (["--values", "/nowhere"], {}, "--values: /nowhere is no folder"),
        (["--values", "/"], {}, "the directory needs Kafka and Redis"),
        ([], {"KUBECONFIG": "/nowhere"}, "the cluster does not answer"),
        (["--repository", "http://127.0.0.1:1", "--reapply"], {}, "cert-manager failed"),
    ],
)
def test_a_wrong_call_gives_one_clear_line(
    installer: Installer, repository: str, arguments: list[str], environ: dict[str, str], line: str
) -> None:
    done = installer.run(repository, *arguments, **environ)
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"install-helm.sh: {line}")
