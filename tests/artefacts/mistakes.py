"""Mistakes to plant, each of which its check must find."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DEPLOYMENTS: Final = "charts/user-directory/templates/deployments.yaml"
_ALERTS: Final = "charts/user-directory/files/alerts.yaml"
_CLUSTER: Final = "terraform/modules/cluster/main.tf"
_DASHBOARD: Final = "charts/user-directory/files/dashboard.json"
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
        "charts: tests", "charts/user-directory/templates/monitoring.yaml", "namespace=%q,job", "job", "namespace_alone"
    ),
    Mistake("rules: promtool", _ALERTS, "[5m]", "[5minutes]", "bad"),
    Mistake("rules: promtool", _ALERTS, "> 14.4 * 0.001", "> 14.4 * 0.01", "UserDirectoryRequestsFail"),
    Mistake(
        "rules: promtool", _ALERTS, 'guard_ready{job="projector"}) == 0', 'guard_ready{job="projector"}) > 0', "ShutOut"
    ),
    Mistake(
        "rules: promtool", _ALERTS, 'lag_seconds{job="relay"}) > 30', 'lag_seconds{job="relay"}) > 3000', "RelayLags"
    ),
    Mistake("rules: promtool", _ALERTS, 'stage="doomed"}) > 0', 'stage="buried"}) > 0', "ErasureHeldUp"),
    Mistake("rules: promtool", "docker/prometheus.yml", "dns_sd_configs", "dns_configs", "dns_configs"),
    Mistake("rules, dashboard: tests", _ALERTS, "verdict_wait_seconds_bucket", "verdict_seconds_bucket", "known"),
    Mistake("rules, dashboard: tests", "docs/runbook.md", "## UserDirectoryApiGone", "## ApiGone", "runbook"),
    Mistake("rules, dashboard: tests", _DASHBOARD, "sum by (", "sum for (", "dashboard"),
    Mistake(
        "rules, dashboard: tests", "dashboard/panels.py", "redecisions_total", "redecision_total", "run make dashboard"
    ),
    Mistake(
        "Terraform: fmt, validate", _CLUSTER, "enable_private_nodes    = true", "enable_private_node = true", "enable"
    ),
    Mistake("Terraform: fmt, validate", _CLUSTER, "release_channel {", "release_chanel {", "release_chanel"),
    Mistake(
        "Terraform: test", _CLUSTER, "enable_private_endpoint = true", "enable_private_endpoint = false", "endpoint"
    ),
    Mistake(
        "charts: tests",
        "charts/user-directory/templates/_helpers.tpl",
        "path: {{ $name }}",
        "path: {{ $from.key }}",
        "name_files",
    ),
    Mistake("charts: tests", "concourse/account.yaml", "      - httproutes\n", "", "may_be_made"),
    Mistake("Terraform: test", "terraform/modules/log/credentials.tf", "managedkafka.client", "owner", "nothing else"),
    Mistake("Terraform: test", "terraform/modules/identities/main.tf", "chart}-relay", "chart}-relays", "relay"),
    Mistake("Terraform: test", "terraform/modules/cache/main.tf", '"noeviction"', '"allkeys-lru"', "evict"),
    Mistake("Terraform: test", "terraform/modules/log/main.tf", "prevent_destroy = true", "", "prevent_destroy"),
    Mistake(
        "Terraform: test", "charts/user-directory/ci/gke-dev-values.yaml", "partitions: 12", "partitions: 4", "gke-dev"
    ),
    Mistake("Terraform: checkov", "terraform/state/main.tf", '"enforced"', '"inherited"', "CKV_GCP_114"),
    Mistake(
        "Concourse: pipelines and tasks", "concourse/ci.yml", "        trigger: true", "        triger: true", "triger"
    ),
    Mistake("Concourse: pipelines and tasks", "concourse/cd.yml", "passed: [check]", "passed: [checks]", "no job"),
    Mistake("Concourse: pipelines and tasks", "concourse/tasks/unit.yml", "args: [unit]", "args: [units]", "target"),
    Mistake("Concourse: pipelines and tasks", "concourse/ci.yml", ", SONAR_TOKEN: ((sonar-token))", "", "SONAR_TOKEN"),
    Mistake("Concourse: pipelines and tasks", "concourse/cd.yml", "((dev-token))", "((dev_token))", "no Secret"),
    Mistake("Concourse: jobs", "concourse/tasks/published.yml", "OUT: ../published", "OUT: ../publish", "sbom: "),
    Mistake("Concourse: jobs", "concourse/tasks/sonar.yml", "outputs: [{name: source}]\n", "", "report-task.txt"),
    Mistake("Concourse: jobs", "Makefile", "--atomic --wait", "--wait", "--atomic"),
    Mistake(
        "Sonar: properties",
        "sonar-project.properties",
        "sonar.sources=command_api",
        "sonar.sources=commands",
        "commands",
    ),
    Mistake(
        "Sonar: properties",
        "sonar-project.properties",
        "python.coverage.reportPaths",
        "python.coverage.reportPath",
        "no such key",
    ),
    Mistake("Sonar: properties", "sonar-project.properties", "build/coverage.xml", "build/cover.xml", "no target"),
    Mistake("AsyncAPI: its JSON Schema", "events/asyncapi.json", '"action": "send"', '"action": "tell"', "tell"),
    Mistake(
        "AsyncAPI: its JSON Schema", "events/asyncapi.json", '"bindingVersion"', '"bindingversion"', "bindingversion"
    ),
)
