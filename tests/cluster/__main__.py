"""Try the chart on a running Kubernetes: `make test-cluster IMAGE=... CHANGED_IMAGE=... [CRDS=folder]`.

KUBECONFIG names the cluster; both images must be there, or be pulled by it. Network policies must be enforced and the
metrics API be served. CRDS holds folders of CRDs to install first. The test works in a namespace of its own and removes
that at the end (KEEP=1 leaves it). Arguments, if there are any, are the steps to run.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster.deploy import deploy
from tests.cluster.kube import CHART, Failed, Release, eventually, names, run

CLIENT = {"user-directory-client": "true"}
# What Kubernetes itself puts into every namespace, and what the test does.
NOT_OURS = {"configmap/kube-root-ca.crt", "serviceaccount/default", "pod/client", "pod/stranger"}
PASSING_KINDS = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "endpoints", "pods.metrics.k8s.io"}
# Steps that need no release to be there; `deploy` makes one of its own, and a small cluster has no room for two.
ALONE = {"custom_resources", "deploy"}
RELAYED = 'user_directory_relay_events_total{outcome="relayed"}'


class ClusterTest:
    """The steps, in their order; each method's docstring is its headline."""

    def __init__(self, image: str, changed: str, crds: Path | None) -> None:
        self.release = Release(image)
        self.changed = changed
        self.crds = crds

    def steps(self) -> list[Callable[[], str]]:
        custom = [self.custom_resources] if self.crds else []
        return [
            *custom, self.install, self.smoke, self.relay, self.policies, self.scale, self.kill_command_api,
            self.kill_query_api, self.kill_projector, self.kill_redis, self.restart_kafka, self.upgrade, self.rollback,
            self.autoscale, self.uninstall, self.deploy,
        ]  # fmt: skip

    def custom_resources(self) -> str:
        """The real API server takes every values file's objects, custom resources included, and refuses a mistake."""
        assert self.crds is not None
        for folder in sorted(path for path in self.crds.iterdir() if path.is_dir()):
            run("kubectl", "apply", "--server-side", "-f", str(folder))
        run("kubectl", "wait", "--for=condition=established", "crd", "--all", "--timeout=60s")
        kinds: set[str] = set()
        files = [*sorted(CHART.glob("ci/*-values.yaml")), CHART / "values-dev.yaml"]
        for values in files:
            rendered = self.release.helm("template", "x", str(CHART), "-f", str(values))
            accepted = self.release.kubectl("apply", "--dry-run=server", "-o", "name", "-f", "-", stdin=rendered)
            kinds |= {line.split("/")[0] for line in accepted.splitlines()}
        rendered = self.release.helm("template", "x", str(CHART), "-f", str(CHART / "ci/gateway-values.yaml"))
        wrong = rendered.replace("method: HEAD", "method: FETCH")
        _require(wrong != rendered, "the planted mistake was not planted")
        try:
            self.release.kubectl("apply", "--dry-run=server", "-f", "-", stdin=wrong)
        except Failed as refusal:
            _require("FETCH" in str(refusal), f"refused for another reason: {refusal}")
        else:
            raise Failed("a route with the method FETCH was taken")
        return f"{len(files)} values files, {len(kinds)} kinds: {', '.join(sorted(kinds))}"

    def install(self) -> str:
        """helm install of the dev values"""
        started = time.monotonic()
        self.release.install(self.release.image)
        took = time.monotonic() - started
        self.release.start_pod("client", CLIENT)
        self.release.start_pod("stranger", {})
        return f"ready in {took:.0f} s: {self.release.counts()}"

    def smoke(self) -> str:
        """The smoke test, also while a pod of the query API is killed"""
        self.release.smoke()
        pod = names(self.release.pods("query-api"))[0]
        self.release.smoke("--kill", f"kubectl -n {self.release.namespace} delete pod {pod} --grace-period=0 --force")
        eventually("the query API is complete again", lambda: self.release.ready("query-api") == 2)
        return "passed twice"

    def relay(self) -> str:
        """What was written has gone on to the public topics"""
        release = self.release
        eventually("a relay has passed events on", lambda: release.metric("relay", 8004, RELAYED) > 0)
        eventually("the relays are ready", lambda: release.ready("relay") == 2)
        return f"{release.metric('relay', 8004, RELAYED):.0f} events"

    def policies(self) -> str:
        """Only what must talk can talk"""
        release = self.release
        redis, kafka = release.address("redis", 6379), release.address("kafka", 9092)
        writes, reads = release.address("command-api", 8001), release.address("query-api", 8002)
        projector, relay, reader = (names(release.pods(name))[0] for name in ("projector", "relay", "query-api"))
        allowed = [
            ("client", writes), ("client", reads), (projector, redis), (projector, kafka), (relay, redis),
            (relay, kafka), (reader, redis),
        ]  # fmt: skip
        refused = [
            ("stranger", redis), ("stranger", kafka), ("stranger", writes), ("stranger", reads), ("client", redis),
            ("client", kafka), ("client", release.address("projector", 8003)), (reader, kafka), (reader, writes),
        ]  # fmt: skip
        for pod, address in allowed:
            eventually(f"{pod} reaches {address}", partial(release.reaches, pod, address), 30)
        for pod, address in refused:
            _require(not release.reaches(pod, address), f"{pod} reaches {address}")
        return f"{len(allowed)} connections come about, {len(refused)} do not"

    def scale(self) -> str:
        """Each part scales on its own"""
        told = []
        for component, replicas in (("command-api", 3), ("query-api", 4), ("projector", 1), ("relay", 1)):
            before = self.release.counts()
            self.release.install(self.release.image, f"components.{component}.replicas={replicas}")
            expected = {**dict.fromkeys(before, 2), component: replicas}
            eventually(f"{expected}", partial(self._counts_are, expected))
            self.release.smoke()
            told.append(f"{component} {before[component]} -> {replicas}")
        self.release.install(self.release.image)
        eventually("all are back", lambda: set(self.release.counts().values()) == {2})
        return ", ".join(told)

    def _counts_are(self, expected: dict[str, int]) -> bool:
        return self.release.counts() == expected

    def kill_command_api(self) -> str:
        """A pod of the command API is deleted without grace under load"""
        return self._kill("command-api")

    def kill_query_api(self) -> str:
        """A pod of the query API is deleted without grace under load"""
        return self._kill("query-api")

    def kill_projector(self) -> str:
        """A projector is deleted without grace under load"""
        return self._kill("projector")

    def kill_redis(self) -> str:
        """Redis is deleted without grace under load, and with it everything in it"""
        return self._kill("redis", 1)

    def _kill(self, component: str, copies: int = 2) -> str:
        with self.release.load() as report:
            time.sleep(3)
            killed = self.release.pods(component)[0]["metadata"]
            self.release.kubectl("delete", "pod", killed["name"], "--grace-period=0", "--force")

            def complete() -> bool:
                # A StatefulSet's new pod has the old one's name.
                there = {pod["metadata"]["uid"] for pod in self.release.pods(component)}
                return killed["uid"] not in there and self.release.ready(component) == copies

            took = eventually(f"{component} is complete again", complete)
            time.sleep(10)
        _nothing_lost(report)
        self.release.smoke()
        return f"complete again after {took:.0f} s; {_told(report)}"

    def restart_kafka(self) -> str:
        """Kafka ends under load and starts again on its volume"""
        pod = f"{self.release.full_name}-kafka-0"

        def restarts() -> int:
            (found,) = self.release.pods("kafka")
            count: int = found["status"]["containerStatuses"][0]["restartCount"]
            return count

        with self.release.load() as report:
            time.sleep(3)
            before = restarts()
            self.release.kubectl("exec", pod, "--", "sh", "-c", "kill -TERM 1", check=False)
            took = eventually("Kafka is back", lambda: restarts() > before and self.release.ready("kafka") == 1)
            time.sleep(15)
        _nothing_lost(report)
        self.release.smoke()
        return f"back after {took:.0f} s; {_told(report)}"

    def upgrade(self) -> str:
        """helm upgrade to a changed image under load: no request fails"""
        with self.release.load() as report:
            time.sleep(3)
            started = time.monotonic()
            self.release.install(self.changed)
            took = time.monotonic() - started
            time.sleep(5)
        self._runs(self.changed)
        _nothing_failed(report)
        return f"took {took:.0f} s; {_told(report)}"

    def rollback(self) -> str:
        """helm rollback under load: no request fails"""
        with self.release.load() as report:
            time.sleep(3)
            self.release.helm("rollback", self.release.name, "--wait", "--timeout", "240s")
            time.sleep(5)
        self._runs(self.release.image)
        _nothing_failed(report)
        return _told(report)

    def _runs(self, image: str) -> None:
        for component in ("command-api", "query-api", "projector", "relay"):
            images = {pod["spec"]["containers"][0]["image"] for pod in self.release.pods(component)}
            _require(images == {image}, f"{component} runs {images}, not {image}")

    def autoscale(self) -> str:
        """The autoscaler follows the CPU of the query API"""
        scaling = "components.query-api.autoscaling"
        self.release.install(
            self.release.image, f"{scaling}.enabled=true", f"{scaling}.minReplicas=1", f"{scaling}.maxReplicas=4",
            f"{scaling}.cpu=60",
        )  # fmt: skip
        eventually("the autoscaler knows the CPU", lambda: self._cpu() is not None)
        before = self.release.ready("query-api")
        # Idle copies go only after the stabilisation window, so the load must ask for more than there are now.
        with self.release.load("--readers", "24", "--writers", "1", "--pause", "0.001") as report:
            took = eventually("more query APIs", lambda: self.release.ready("query-api") > before)
            seen = f"{before} -> {self.release.ready('query-api')} in {took:.0f} s at {self._cpu()} % of the request"
        _nothing_lost(report)
        return f"{seen}; {_told(report)}"

    def _cpu(self) -> Any:
        (autoscaler,) = self.release.get("horizontalpodautoscalers")
        metrics = autoscaler.get("status", {}).get("currentMetrics") or [{}]
        return metrics[0].get("resource", {}).get("current", {}).get("averageUtilization")

    def uninstall(self) -> str:
        """helm uninstall leaves nothing"""
        self.release.helm("uninstall", self.release.name, "--wait", "--timeout", "120s")
        eventually("nothing is left", lambda: not self._left(), 90)
        return "nothing left in the namespace"

    def deploy(self) -> str:
        """The pipeline's deploy and smoke, with an image that cannot be had rolled back: no request fails"""
        return deploy(self.release.image, self.changed)

    def _left(self) -> set[str]:
        kinds = run("kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
        wanted = ",".join(kind for kind in kinds if kind not in PASSING_KINDS)
        return set(self.release.kubectl("get", wanted, "-o", "name").split()) - NOT_OURS


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def _nothing_lost(report: dict[str, Any]) -> None:
    _require(not report["lost"], f"acknowledged users are gone: {report['lost'][:5]}")


def _nothing_failed(report: dict[str, Any]) -> None:
    _nothing_lost(report)
    _require(not report["failures"], f"{len(report['failures'])} requests failed: {report['failures'][:5]}")
    _require(not report["pending_not_accepted"], f"never accepted: {report['pending_not_accepted'][:5]}")


def _told(report: dict[str, Any]) -> str:
    failed = f"{len(report['failures'])} failed" + (f", first {report['failures'][0]}" if report["failures"] else "")
    return (
        f"{report['answers']}, {failed}, {report['acknowledged']} acknowledged, none lost, "
        f"slowest {report['slowest_seconds']} s"
    )


def main() -> int:
    """Return the exit status."""
    crds = Path(os.environ["CRDS"]) if os.environ.get("CRDS") else None
    if crds is None:
        print("NOT RUN  custom resources: CRDS names no folder with folders of CRDs", flush=True)
        if os.environ.get("CI"):
            return 1
    test = ClusterTest(os.environ["IMAGE"], os.environ["CHANGED_IMAGE"], crds)
    wanted = set(sys.argv[1:])
    if wanted - ALONE:
        wanted.add("install")
    chosen = [step for step in test.steps() if not wanted or step.__name__ in wanted]
    run("kubectl", "create", "namespace", test.release.namespace)
    status = 0
    try:
        for step in chosen:
            started = time.monotonic()
            headline = (step.__doc__ or "").strip()
            try:
                told = step()
            except (Failed, subprocess.TimeoutExpired) as failure:
                print(f"FAILED   {headline}\n         {failure}", flush=True)
                print(test.release.kubectl("get", "pods", "-o", "wide", check=False), flush=True)
                status = 1
                break
            print(f"ok {time.monotonic() - started:5.0f} s  {headline}\n            {told}", flush=True)
    finally:
        if not os.environ.get("KEEP"):
            run("kubectl", "delete", "namespace", test.release.namespace, "--wait=false", check=False)
    print("the chart works on this cluster" if status == 0 else "the chart does not work on this cluster", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
