"""kubectl and helm as the cluster test uses them."""

import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "user-directory"
LOAD = Path(__file__).with_name("load.py")
PATIENCE_SECONDS = 240


class Failed(Exception):
    """Something in the cluster is not as it must be."""


def run(*command: str, stdin: str | None = None, check: bool = True) -> str:
    """Return what a command prints.

    Raises:
        Failed: it ended with another status than 0.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command[:8])}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def eventually(what: str, holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until it holds; return how many seconds that took."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise Failed(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)
    return time.monotonic() - started


class Release:
    """One release of the chart, in a namespace of its own."""

    name = "ud"
    full_name = "ud-user-directory"

    def __init__(self, image: str) -> None:
        self.image = image
        self.namespace = f"user-directory-test-{secrets.token_hex(3)}"
        self._scaled: dict[str, str] = {}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return run("kubectl", "--namespace", self.namespace, *arguments, stdin=stdin, check=check)

    def helm(self, *arguments: str) -> str:
        return run("helm", "--namespace", self.namespace, *arguments)

    def install(self, image: str, *more: str) -> None:
        """Install or upgrade the dev values with an image; `more` are --set arguments."""
        repository, _, tag = image.rpartition(":")
        values = [f"image.repository={repository}", f"image.tag={tag}", *more]
        sets = [argument for value in values for argument in ("--set", value)]
        self.helm(
            "upgrade", "--install", self.name, str(CHART), "--values", str(CHART / "values-dev.yaml"),
            *sets, "--wait", "--timeout", f"{PATIENCE_SECONDS}s",
        )  # fmt: skip

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Return objects."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"]
        return found

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return a component's pods that are not on their way out."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return [pod for pod in self.get("pods", "-l", selector) if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> int:
        """Return how many of a component's pods are ready."""
        return sum(
            any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            for pod in self.pods(component)
        )

    def counts(self) -> dict[str, int]:
        """Return how many pods of each process are ready."""
        return {component: self.ready(component) for component in ("command-api", "query-api", "projector", "relay")}

    def address(self, component: str, port: int) -> str:
        return f"{self.full_name}-{component}:{port}"

    def start_pod(self, name: str, labels: dict[str, str]) -> None:
        """Start a pod that does nothing, for commands to be run in."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "main",
                        "image": self.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sleep", "infinity"],
                    }
                ],
            },
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def reaches(self, pod: str, address: str, seconds: int = 3) -> bool:
        """Say whether a connection from a pod to an address comes about."""
        host, _, port = address.partition(":")
        code = f"import socket; socket.create_connection(({host!r}, {port}), {seconds}).close(); print('reached')"
        return "reached" in self.kubectl("exec", pod, "--", "python", "-c", code, check=False)

    def metric(self, component: str, port: int, name: str) -> float:
        """Return what a metric comes to in all pods of a component; the labels may be left out."""
        code = (
            f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
        )
        told = [self.kubectl("exec", pod, "--", "python", "-c", code) for pod in names(self.pods(component))]
        lines = [line for metrics in told for line in metrics.splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    @contextmanager
    def load(self, *options: str) -> Iterator[dict[str, Any]]:
        """Keep up a load from the pod `client` meanwhile; the report is filled in at the end."""
        report: dict[str, Any] = {}
        writes, reads = self.address("command-api", 8001), self.address("query-api", 8002)
        command = [
            "kubectl",
            "-n",
            self.namespace,
            "exec",
            "-i",
            "client",
            "--",
            "python",
            "-",
            writes,
            reads,
            *options,
        ]
        process = subprocess.Popen(
            command, stdin=LOAD.open(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield report
        finally:
            self.kubectl("exec", "client", "--", "touch", "/tmp/stop", check=False)
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode != 0:
            raise Failed(f"the load ended with {process.returncode}: {err[-1000:]}")
        report.update(json.loads(out))

    @contextmanager
    def forwarded(self, component: str, port: int) -> Iterator[str]:
        """Give a URL of this machine that leads to a component; the way is laid again when its pod goes."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            local = free.getsockname()[1]
        done = threading.Event()
        target = f"service/{self.full_name}-{component}"
        current: list[subprocess.Popen[bytes]] = []

        def forward() -> None:
            while not done.is_set():
                command = ["kubectl", "-n", self.namespace, "port-forward", target, f"{local}:{port}"]
                current[:] = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
                current[0].wait()
                done.wait(0.3)

        thread = threading.Thread(target=forward)
        thread.start()
        try:
            eventually(f"port-forward to {component}", lambda: _listens(local), 30)
            yield f"http://127.0.0.1:{local}"
        finally:
            done.set()
            for process in current:
                process.terminate()
            thread.join()

    def smoke(self, *options: str) -> None:
        """Run the smoke test; `options` are its own."""
        with self.forwarded("command-api", 8001) as writes, self.forwarded("query-api", 8002) as reads:
            run(
                sys.executable,
                str(ROOT / "tests" / "smoke.py"),
                writes,
                "--reads",
                reads,
                *options,
            )


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def names(objects: Sequence[dict[str, Any]]) -> list[str]:
    """Return the objects' names."""
    return [item["metadata"]["name"] for item in objects]
