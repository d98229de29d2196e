"""A real Prometheus with the product's own rules, faster: it scrapes and judges every second, and alerts wait 2 s."""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from devstack.process import ManagedProcess
from devstack.servers import free_port
from tests.monitoring.expressions import RULE_FILES

_WAIT = re.compile(r"(?m)^(        for: ).*$")


class PrometheusServer(ManagedProcess):
    """Scrapes the given jobs: `http://host:port` each."""

    def __init__(self, directory: Path, jobs: Mapping[str, str]) -> None:
        if not shutil.which("prometheus"):
            raise FileNotFoundError(
                "prometheus is not on the PATH: install Prometheus (Debian: apt install prometheus)"
            )
        super().__init__("prometheus", directory / "prometheus.log")
        self.directory = directory
        self.port = free_port()
        for path in RULE_FILES:
            (directory / path.name).write_text(_WAIT.sub(r"\g<1>2s", path.read_text()))
        targets = [
            {"job_name": job, "static_configs": [{"targets": [url.removeprefix("http://")]}]}
            for job, url in jobs.items()
        ]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(directory / path.name) for path in RULE_FILES],
            "scrape_configs": targets,
        }
        (directory / "prometheus.yml").write_text(json.dumps(config))
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10)

    def command(self) -> list[str]:
        """Return its command line."""
        return [
            "prometheus",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression gives now."""
        answer = self._client.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == httpx.codes.OK, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> dict[str, dict[str, str]]:
        """Return the labels of the alerts that fire, by name."""
        alerts = self._client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["labels"] for alert in alerts if alert["state"] == "firing"}

    def until(self, holds: Callable[[], object], what: Callable[[], str], seconds: float) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, what()
            time.sleep(0.5)
