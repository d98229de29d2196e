"""Tell a Slack channel what became of a job: `make notify`.

SLACK_WEBHOOK is the secret URL of an incoming webhook; PIPELINE, JOB and OUTCOME say what happened, BUILDS
where to look.
"""

import httpx

from pipeline.errors import StepFailed, main, setting

_SIGNS = {"failed": ":red_circle:", "deployed": ":large_green_circle:"}
_SECONDS = 20


def notify() -> None:
    """Post one message.

    Raises:
        StepFailed: Slack did not take it; the URL, which is a secret, is not shown.
    """
    outcome = setting("OUTCOME")
    text = (
        f"{_SIGNS.get(outcome, ':white_circle:')} {setting('PIPELINE')}/{setting('JOB')} {outcome}: {setting('BUILDS')}"
    )
    try:
        answer = httpx.post(setting("SLACK_WEBHOOK"), json={"text": text}, timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise StepFailed(f"Slack could not be reached: {type(error).__name__}") from None
    if answer.status_code != httpx.codes.OK:
        raise StepFailed(f"Slack refused the message: {answer.status_code} {answer.text[:200]}")
    print(text)


if __name__ == "__main__":
    main(notify)
