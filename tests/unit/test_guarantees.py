"""docs/guarantees.md names for each promise the tests that prove it: they are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PROMISES = [
    line.removeprefix("- ")
    for line in (_ROOT / "docs" / "guarantees.md").read_text().splitlines()
    if line.startswith("- ")
]
_PROOF = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
# The suites that `make test` runs.
_RUN = ("unit", "property", "contract", "integration", "e2e", "faults")


@cache
def _tests(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)}


def test_there_are_promises() -> None:
    assert len(_PROMISES) > 20


@pytest.mark.parametrize("promise", _PROMISES)
def test_each_promise_names_tests_that_are_run(promise: str) -> None:
    proofs = _PROOF.findall(promise)

    assert proofs, "it names no test"
    for path, name in proofs:
        assert Path(path).parts[1] in _RUN
        assert name in _tests(_ROOT / path), f"{path} has no {name}"


def test_the_page_names_no_test_in_another_way() -> None:
    text = (_ROOT / "docs" / "guarantees.md").read_text()

    assert text.count("::") == len(_PROOF.findall(text))
