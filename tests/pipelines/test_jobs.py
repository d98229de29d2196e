"""The jobs of both pipelines, task by task, against doubles: what they leave with the peers, and what stops them.

The tasks that only build and test are left out here, as `make check` does the same; `python -m tests.pipelines` runs
them too.
"""

import json
from pathlib import Path

import pytest
import yaml

from tests.pipelines import commands
from tests.pipelines.build import Build
from tests.pipelines.peers import Peers
from tests.pipelines.workers import CD, CI

TESTS = ("compile", "unit", "types", "lint", "coverage")
REPORTS = ("coverage.xml", "ruff.json", "tests.xml")
# It needs a running directory, which only `python -m tests.pipelines` starts.
SMOKE = ("smoke",)


@pytest.fixture
def reports(build: Build, tmp_path: Path) -> Path:
    """Give the build the reports of the tasks that are left out."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in REPORTS:
        (folder / name).write_text("[]")
    build.artifacts["reports"] = folder
    return folder


def _secrets_said(build: Build) -> list[str]:
    said = "\n".join(done.output for done in build.done)
    names = ("registry-password", "sonar-token", "slack-webhook", "dev-token", "dev-kubeconfig")
    return [name for name in names if build.variables[name].strip() in said]


def doubles(build: Build) -> Path:
    return Path(build.environ[commands.STATE])


@pytest.mark.parametrize("pipeline", [CI, CD])
def test_a_check_sends_its_reports_and_hears_the_gate(
    build: Build, there: Peers, reports: Path, pipeline: Path
) -> None:
    assert build.run(pipeline, "check", without=TESTS), build.failure()

    assert build.statuses() == {"sonar": 0, "sonar-gate": 0}
    ((analysis),) = there.analyses
    assert analysis["projectKey"] == "user-directory"
    assert {key for key, size in analysis.items() if size == "2"} == {
        "sonar.python.coverage.reportPaths",
        "sonar.python.ruff.reportPaths",
        "sonar.python.xunit.reportPath",
    }
    assert there.messages == []
    assert not _secrets_said(build)


def test_a_gate_that_says_no_stops_the_check_and_slack_hears_of_it(build: Build, there: Peers, reports: Path) -> None:
    there.gate = {
        "status": "ERROR",
        "conditions": [
            {
                "status": "ERROR",
                "metricKey": "new_coverage",
                "comparator": "LT",
                "errorThreshold": "80",
                "actualValue": "12",
            }
        ],
    }

    assert not build.run(CI, "check", without=TESTS)

    assert {task: status != 0 for task, status in build.statuses().items()} == {
        "sonar": False,
        "sonar-gate": True,
        "notify": False,
    }
    assert "new_coverage is 12" in build.done[1].output
    assert there.messages == [
        ":red_circle: ci/check failed: https://concourse.example.org/teams/main/pipelines/ci/jobs/check"
    ]


def test_without_a_report_nothing_is_sent(build: Build, there: Peers, reports: Path) -> None:
    (reports / "coverage.xml").unlink()

    assert not build.run(CI, "check", without=TESTS)

    assert "coverage.xml is not there" in build.done[0].output
    assert there.analyses == []
    assert len(there.messages) == 1


def test_a_release_is_the_commits_image_by_digest_from_the_registry_to_the_cluster(
    build: Build, there: Peers, source: Path
) -> None:
    assert build.run(CD, "release", without=SMOKE), build.failure()

    names = ("publish", "published", "sbom", "scan", "chart-package", "deploy", "notify")
    assert build.statuses() == dict.fromkeys(names, 0)
    version = (source / ".git" / "short_ref").read_text().strip()
    published = json.loads((build.artifacts["published"] / "image.json").read_text())
    repository = f"{there.host}/team/user-directory"
    assert published == {"repository": repository, "tag": version, "digest": published["digest"]}
    assert there.manifests[version] == there.manifests[published["digest"]]
    sbom = json.loads((build.artifacts["published"] / "sbom.cdx.json").read_text())
    layers = json.loads(there.manifests[version][1])["layers"]
    assert [one["name"] for one in sbom["components"]] == [layer["digest"] for layer in layers]

    deployed = json.loads((doubles(build) / "deployed.json").read_text())
    assert (deployed["release"], deployed["namespace"]) == ("user-directory", "user-directory")
    assert deployed["kubeconfig"] == build.variables["dev-kubeconfig"]
    images = {
        container["image"]
        for manifest in yaml.safe_load_all(deployed["manifests"])
        if manifest and manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"{repository}@{published['digest']}"}
    assert there.messages == [":large_green_circle: cd/release deployed: https://dev.example.org"]
    assert not _secrets_said(build)


def test_an_image_of_another_commit_goes_no_further(build: Build, there: Peers, source: Path) -> None:
    assert build.run(CD, "release", without=(*SMOKE, "published", "sbom", "scan", "chart-package", "deploy"))
    version = (source / ".git" / "short_ref").read_text().strip()
    _, manifest = there.manifests[version]
    config = json.loads(manifest)["config"]["digest"]
    there.blobs[config] = there.blobs[config].replace(b'"org.opencontainers.image.revision": "', b'"revision": "')

    assert not build.run(CD, "release", without=(*SMOKE, "publish"))

    assert "was not built from this commit" in build.done[-2].output
    assert [one.task for one in build.done] == ["publish", "notify", "published", "notify"]


@pytest.fixture
def published(build: Build, tmp_path: Path) -> None:
    """Give the build what its tasks before the scan leave."""
    folder = tmp_path / "published"
    folder.mkdir()
    image = {"repository": "registry.example.org/ud", "tag": "abc1234", "digest": f"sha256:{'0' * 64}"}
    (folder / "image.json").write_text(json.dumps(image))
    (folder / "sbom.cdx.json").write_text(json.dumps({"bomFormat": "CycloneDX"}))
    build.artifacts["published"] = folder


@pytest.mark.usefixtures("published")
def test_a_vulnerability_stops_the_release_before_the_cluster(build: Build, there: Peers) -> None:
    build.environ = {**build.environ, commands.VULNERABLE: "CVE-2026-0001"}

    assert not build.run(CD, "release", without=("publish", "published", "sbom", *SMOKE))

    assert list(build.statuses()) == ["scan", "notify"]
    assert "CVE-2026-0001 HIGH,CRITICAL" in build.done[0].output
    assert not (doubles(build) / "deployed.json").exists()
    assert there.messages[0].startswith(":red_circle: cd/release failed")


@pytest.mark.usefixtures("published")
def test_values_that_the_chart_refuses_are_not_deployed(build: Build) -> None:
    (build.resources["environments"] / "dev" / "user-directory.yaml").write_text("kafka: {partitions: none}\n")

    assert not build.run(CD, "release", without=("publish", "published", "sbom", *SMOKE))

    assert build.statuses()["scan"] == build.statuses()["chart-package"] == 0
    assert list(build.statuses())[2:] == ["deploy", "notify"]
    assert "partitions" in build.done[2].output
    assert not (doubles(build) / "deployed.json").exists()


def test_a_release_whose_smoke_test_fails_is_not_told_as_deployed(build: Build, there: Peers) -> None:
    build.variables = {**build.variables, "dev-url": there.url}
    before = ("publish", "published", "sbom", "scan", "chart-package", "deploy")

    assert not build.run(CD, "release", without=before)

    assert {task: status != 0 for task, status in build.statuses().items()} == {"smoke": True, "notify": False}
    assert "POST /users: expected 201, got 404" in build.done[0].output
    assert there.messages[0].startswith(":red_circle: cd/release failed")
    assert not _secrets_said(build)
