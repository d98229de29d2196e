"""How a step of a pipeline fails: in one line that says what to do."""

import os
import sys
from collections.abc import Callable


class StepFailed(Exception):
    """A step failed; the text is one line."""


def setting(name: str) -> str:
    """Return a variable of the environment.

    Raises:
        StepFailed: it is not set.
    """
    value = os.environ.get(name)
    if not value:
        raise StepFailed(f"{name} is not set: the pipeline gives it to the task as a parameter, see docs/ci-cd.md")
    return value


def main(step: Callable[[], None]) -> None:
    """Run a step; end with status 1 and its line if it fails."""
    try:
        step()
    except StepFailed as error:
        print(error, file=sys.stderr)
        sys.exit(1)
