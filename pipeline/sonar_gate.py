"""Read back what SonarQube's quality gate says of the analysis that was just sent: `make sonar-gate`.

The scanner leaves `.scannerwork/report-task.txt`, which names the server's task. SONAR_TOKEN may read the project.
"""

import time
from pathlib import Path
from typing import Any

import httpx

from pipeline.errors import StepFailed, main, setting

REPORT = Path(".scannerwork/report-task.txt")
_PATIENCE_SECONDS = 300
_POLL_SECONDS = 2


def read_gate(patience: float = _PATIENCE_SECONDS, poll: float = _POLL_SECONDS) -> None:
    """Wait until the analysis is done, then ask the gate.

    Raises:
        StepFailed: the gate says no, and why; or there is no answer.
    """
    if not REPORT.exists():
        raise StepFailed(f"{REPORT} is not there: run `make sonar` first")
    report = dict(line.split("=", 1) for line in REPORT.read_text().splitlines() if "=" in line)
    with httpx.Client(base_url=report["serverUrl"], auth=(setting("SONAR_TOKEN"), ""), timeout=30) as server:
        task = _finished(server, report["ceTaskId"], patience, poll)
        gate = _ask(server, "/api/qualitygates/project_status", analysisId=task["analysisId"])["projectStatus"]
    if gate["status"] != "OK":
        broken = [c for c in gate.get("conditions", []) if c["status"] != "OK"]
        reasons = "; ".join(
            f"{c['metricKey']} is {c.get('actualValue')}, which is {c['comparator']} {c['errorThreshold']}"
            for c in broken
        )
        raise StepFailed(
            f"the quality gate says {gate['status']}: {reasons or 'no condition named'}; {report['dashboardUrl']}"
        )
    print(f"the quality gate says OK: {report['dashboardUrl']}")


def _finished(server: httpx.Client, task_id: str, patience: float, poll: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    while True:
        task: dict[str, Any] = _ask(server, "/api/ce/task", id=task_id)["task"]
        if task["status"] == "SUCCESS":
            return task
        if task["status"] in ("FAILED", "CANCELED"):
            raise StepFailed(f"SonarQube could not process the analysis: {task.get('errorMessage', task['status'])}")
        if time.monotonic() > deadline:
            raise StepFailed(f"SonarQube has not processed the analysis after {patience:.0f} s")
        time.sleep(poll)


def _ask(server: httpx.Client, path: str, **parameters: str) -> Any:
    try:
        answer = server.get(path, params=parameters)
    except httpx.HTTPError as error:
        raise StepFailed(f"SonarQube could not be reached: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise StepFailed(f"SonarQube answered {answer.status_code} to {path}: is SONAR_TOKEN right?")
    return answer.json()


if __name__ == "__main__":
    main(read_gate)
