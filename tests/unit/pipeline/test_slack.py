import json

import pytest

from pipeline.errors import StepFailed
from pipeline.slack import notify
from tests.unit.pipeline.doubles import Answer, Peer

EVENT = {"PIPELINE": "ci", "JOB": "check", "OUTCOME": "failed", "BUILDS": "https://ci.example.org/jobs/check"}


@pytest.fixture(autouse=True)
def event(monkeypatch: pytest.MonkeyPatch, double: Peer) -> None:
    for name, value in {**EVENT, "SLACK_WEBHOOK": f"{double.url}/services/secret"}.items():
        monkeypatch.setenv(name, value)


def test_the_channel_hears_which_job_failed_and_where_to_look(double: Peer) -> None:
    double.answers["/services/secret"] = [Answer(b"ok")]

    notify()

    ((_, _, body),) = double.asked
    assert json.loads(body) == {"text": ":red_circle: ci/check failed: https://ci.example.org/jobs/check"}


def test_a_refused_message_fails_the_step_with_slacks_words(double: Peer) -> None:
    double.answers["/services/secret"] = [Answer(b"no_service", 404)]

    with pytest.raises(StepFailed, match="404 no_service"):
        notify()


def test_the_secret_address_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK", "http://127.0.0.1:1/services/secret")

    with pytest.raises(StepFailed) as failure:
        notify()

    assert "secret" not in str(failure.value)


def test_a_missing_parameter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_WEBHOOK")

    with pytest.raises(StepFailed, match="SLACK_WEBHOOK is not set"):
        notify()
