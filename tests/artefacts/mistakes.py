"""Mistakes to plant, each of which its check must find."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DEPLOYMENTS: Final = "charts/user-directory/templates/deployments.yaml"
_POLICIES: Final = "charts/user-directory/templates/networkpolicies.yaml"


@dataclass(frozen=True)
class Mistake:
    """A text in a file that is replaced by another; a check's fault must then contain the clue."""

    check: str
    path: str
    text: str
    instead: str
    clue: str

    def plant(self, root: Path) -> None:
        """Change the file in that folder."""
        path = root / self.path
        before = path.read_text()
        if self.text not in before:
            raise ValueError(f"{self.path} does not hold {self.text!r} any more")
        path.write_text(before.replace(self.text, self.instead, 1))


MISTAKES: Final = (
    Mistake("Dockerfile: hadolint", "Dockerfile", "WORKDIR /build", "WORKDIR build", "DL3000"),
    Mistake("Dockerfile: hadolint", "Dockerfile", "USER 10001:10001", "RUN cd /app && sudo true", "DL3004"),
    Mistake("compose: docker compose config", "docker-compose.yml", "read_only: true", "readonly: true", "readonly"),
    Mistake(
        "compose: dclint", "docker-compose.yml", "\n  redis:\n", "\n  redis:\n    version: '1'\n", "invalid-schema"
    ),
    Mistake(
        "compose: dclint", "docker-compose.yml", "127.0.0.1:${GATEWAY_PORT:-8000}", "${GATEWAY_PORT:-8000}", "interface"
    ),
    Mistake("shell: shellcheck, shfmt", "charts/install-helm.sh", "[[ -d $argument ]]", "[ -d $argument ]", "SC2086"),
    Mistake("shell: shellcheck, shfmt", "charts/install-helm.sh", "    usage\n", "  usage\n", "usage"),
    Mistake("shell: shellcheck, shfmt", ".ci/run", 'cd "$(dirname', "cd $(dirname", "SC1078"),
    Mistake("YAML: yamllint", "charts/user-directory/values.yaml", "  enabled: false\n", "  enabled: no\n", "truthy"),
    Mistake("YAML: yamllint", "charts/user-directory/ci/minimal-values.yaml", "redis:", "kafka:", "duplication"),
    Mistake(
        "secrets: detect-secrets",
        "charts/install-values/monitoring.yaml",
        "passwordKey: password",
        "adminPassword: kJ8sZq2LmN4vX0wP",
        "Secret Keyword",
    ),
    Mistake("charts: helm lint", "charts/user-directory/ci/minimal-values.yaml", "url:", "uri:", "uri"),
    Mistake("charts: helm lint", _DEPLOYMENTS, "{{- end }}", "{{- end", "parse error"),
    Mistake("charts: helm lint", "charts/platform/Chart.yaml", "version: 0.1.0", "version: one", "SemVer"),
    Mistake("charts: Kubernetes schemas", _DEPLOYMENTS, "replicas:", "replica:", "replica"),
    Mistake(
        "charts: Kubernetes schemas", _DEPLOYMENTS, "containerPort: {{ $c.port }}", "containerPort: http", "integer"
    ),
    Mistake("charts: Kubernetes schemas", _POLICIES, "networking.k8s.io/v1", "networking.k8s.io/v2", "NetworkPolicy"),
    Mistake(
        "charts: Kubernetes schemas",
        "charts/user-directory/templates/autoscaling.yaml",
        "keda.sh/v1alpha1",
        "keda.sh/v1",
        "BY_API_SERVER",
    ),
    Mistake(
        "charts: tests", "charts/user-directory/templates/_helpers.tpl", "drop: [ALL]", "drop: [NET_RAW]", "hardened"
    ),
    Mistake("charts: tests", _DEPLOYMENTS, "path: /readyz", "path: /healthz", "right_questions"),
    Mistake(
        "charts: tests", _DEPLOYMENTS, "add $.Values.preStopSeconds $.Values.drainSeconds 15", "add 5 15", "drained"
    ),
    Mistake("charts: tests", _POLICIES, "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]", "without_a_policy"),
    Mistake(
        "charts: tests", "charts/user-directory/templates/gateway.yaml", "value: /writes", "value: /write", "path_then"
    ),
    Mistake("charts: tests", "charts/user-directory/values.yaml", "preStopSeconds: 5", "preStopSeconds: 6", "readme"),
    Mistake(
        "charts: tests",
        "charts/user-directory/files/alerts.yaml",
        "user_directory_verdict_wait_seconds_bucket",
        "user_directory_verdict_seconds_bucket",
        "metrics_and_labels",
    ),
    Mistake("charts: tests", "charts/user-directory/files/alerts.yaml", "/users/{user_id}", "/users/{id}", "routes"),
    Mistake("alerts: promtool", "charts/user-directory/files/alerts.yaml", "[5m]", "[5minutes]", "bad"),
    Mistake("AsyncAPI: its JSON Schema", "events/asyncapi.json", '"action": "send"', '"action": "tell"', "tell"),
    Mistake(
        "AsyncAPI: its JSON Schema", "events/asyncapi.json", '"bindingVersion"', '"bindingversion"', "bindingversion"
    ),
)
