"""The release's last tasks on a real cluster: `make chart-package deploy smoke` as concourse/tasks calls them.

The account is that of concourse/account.yaml, which may change things in one namespace alone.
"""

import base64
import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.kube import CHART, ROOT, Failed, Release, eventually, run

_ACCOUNT: Final = ROOT / "concourse" / "account.yaml"
_MISSING: Final = "not-published:0"
# Pods that nothing holds up are ready long before.
_SHORT: Final = "60s"


class Pipeline:
    """What the pipeline has: a folder of its own, a kubeconfig of its account, the values of the environment."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.release = release
        self.out = folder
        self._kubeconfig = ""

    def make_account(self) -> None:
        """Create the namespace and the account, and get its kubeconfig."""
        kubectl, namespace = self.release.kubectl, self.release.namespace
        run("kubectl", "create", "namespace", namespace)
        kubectl("apply", "-f", str(_ACCOUNT))
        eventually("the account has its token", self._token, 30)
        config: dict[str, Any] = json.loads(run("kubectl", "config", "view", "--raw", "--minify", "-o", "json"))
        config["users"] = [{"name": "pipeline", "user": {"token": self._token()}}]
        config["contexts"][0]["context"]["user"] = "pipeline"
        self._kubeconfig = yaml.safe_dump(config)

    def _token(self) -> str:
        encoded = self.release.kubectl("get", "secret", "pipeline", "-o", "jsonpath={.data.token}")
        return base64.b64decode(encoded).decode()

    def deploy(self, image: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Package the chart with an image and deploy it."""
        repository, _, tag = image.rpartition(":")
        published = {"repository": repository, "tag": tag, "digest": ""}
        (self.out / "image.json").write_text(json.dumps(published))
        packaged = self.make("chart-package")
        if packaged.returncode != 0:
            raise Failed(f"make chart-package: {packaged.stderr}")
        return self.make(
            "deploy",
            RELEASE=self.release.name,
            NAMESPACE=self.release.namespace,
            VALUES=str(self._values()),
            KUBECONFIG_DATA=self._kubeconfig,
            **variables,
        )

    def _values(self) -> Path:
        """Write the dev values but for the image, which the package names."""
        values = yaml.safe_load((CHART / "values-dev.yaml").read_text())
        del values["image"]
        path = self.out / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    def smoke(self) -> None:
        """Try what is deployed, from outside."""
        with ExitStack() as ways:
            writes, reads = (
                ways.enter_context(self.release.forwarded(component, port))
                for component, port in (("command-api", 8001), ("query-api", 8002))
            )
            done = self.make("smoke", URL=writes, READS=reads)
        if done.returncode != 0:
            raise Failed(f"make smoke: {done.stdout[-500:]}{done.stderr[-1000:]}")

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one target; variables go by the environment, as a task's parameters do."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "KUBECONFIG"))}
        return subprocess.run(
            ["make", target],
            cwd=ROOT,
            env={**environ, "OUT": str(self.out), **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def deploy(image: str, changed: str) -> str:
    """Install, upgrade to an image that cannot be had, which is rolled back, then to one that can.

    Raises:
        Failed: a step ended otherwise, or a request failed meanwhile.
    """
    release = Release(image)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(release, Path(folder))
        try:
            pipeline.make_account()
            return _deployed(pipeline, image, changed)
        finally:
            run("kubectl", "delete", "namespace", release.namespace, "--wait=false", check=False)


def _deployed(pipeline: Pipeline, image: str, changed: str) -> str:
    release = pipeline.release
    _passed(pipeline.deploy(image), "the first deployment")
    pipeline.smoke()
    before = _pods(release)
    release.start_pod("client", {"user-directory-client": "true"})

    with release.load() as report:
        refused = pipeline.deploy(_MISSING, TIMEOUT=_SHORT)
    if refused.returncode == 0:
        raise Failed(f"{_MISSING} was deployed")
    if _pods(release) != before:
        raise Failed(f"not rolled back: {_pods(release)}, not {before}; {refused.stderr}")
    _none_failed(report)
    pipeline.smoke()

    with release.load() as after:
        _passed(pipeline.deploy(changed), "the upgrade")
    if images := {image for image in _pods(release).values() if image != changed}:
        raise Failed(f"after the upgrade there still runs {images}")
    _none_failed(after)
    pipeline.smoke()
    history = json.loads(release.helm("history", release.name, "-o", "json"))
    revisions = ", ".join(one["description"] for one in history)
    return f"{revisions}; {report['answers']} while rolled back, {after['answers']} while upgraded"


def _passed(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode != 0:
        raise Failed(f"{what}: {done.stderr[-1500:]}")


def _pods(release: Release) -> dict[str, str]:
    """Return the image of every pod of ours that is ready, by the pod's name."""
    found = {}
    for component in ("command-api", "query-api", "projector", "relay"):
        for pod in release.pods(component):
            if all(status["ready"] for status in pod["status"]["containerStatuses"]):
                found[pod["metadata"]["name"]] = pod["spec"]["containers"][0]["image"]
    return found


def _none_failed(report: dict[str, Any]) -> None:
    if report["failures"] or report["lost"]:
        raise Failed(f"meanwhile failed: {report['failures'][:5]}, lost: {report['lost'][:5]}")
