from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StepFailed
from pipeline.sonar_gate import REPORT, read_gate
from tests.unit.pipeline.doubles import Peer, says

TASK, GATE = "/api/ce/task", "/api/qualitygates/project_status"
DONE = {"task": {"status": "SUCCESS", "analysisId": "a1"}}


@pytest.fixture(autouse=True)
def report(here: Path, double: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what the scanner leaves."""
    REPORT.parent.mkdir()
    lines = ("projectKey=user-directory", f"serverUrl={double.url}", "ceTaskId=t1", f"dashboardUrl={double.url}/d?id=x")
    REPORT.write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("SONAR_TOKEN", "token")


def gate(status: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"projectStatus": {"status": status, "conditions": list(conditions)}}


def test_an_open_gate_is_read_once_the_analysis_is_done(double: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    double.answers[TASK] = [says({"task": {"status": "PENDING"}}), says(DONE)]
    double.answers[GATE] = [says(gate("OK"))]

    read_gate(poll=0)

    assert [path for path, _, _ in double.asked] == [f"{TASK}?id=t1", f"{TASK}?id=t1", f"{GATE}?analysisId=a1"]
    assert "says OK" in capsys.readouterr().out


def test_a_closed_gate_fails_and_says_which_condition_broke(double: Peer) -> None:
    double.answers[TASK] = [says(DONE)]
    broken = {
        "metricKey": "new_coverage",
        "actualValue": "61.2",
        "comparator": "LT",
        "errorThreshold": "80",
        "status": "ERROR",
    }
    double.answers[GATE] = [says(gate("ERROR", broken))]

    with pytest.raises(StepFailed, match=r"says ERROR: new_coverage is 61\.2, which is LT 80"):
        read_gate(poll=0)


def test_an_analysis_that_failed_or_never_ends_fails(double: Peer) -> None:
    double.answers[TASK] = [says({"task": {"status": "FAILED", "errorMessage": "out of disk"}})]
    with pytest.raises(StepFailed, match="out of disk"):
        read_gate(poll=0)

    double.answers[TASK] = [says({"task": {"status": "IN_PROGRESS"}})]
    with pytest.raises(StepFailed, match="has not processed"):
        read_gate(patience=0, poll=0)


def test_a_wrong_token_is_told(double: Peer) -> None:
    double.answers[TASK] = [says({}, 401)]

    with pytest.raises(StepFailed, match=r"401.*SONAR_TOKEN"):
        read_gate(poll=0)


def test_without_the_scanners_report_it_says_what_to_run(here: Path) -> None:
    REPORT.unlink()

    with pytest.raises(StepFailed, match="make sonar"):
        read_gate(poll=0)
