"""docs/use-cases.md: each row names a test, and each of these tests is there."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import command_api.description
import query_api.description
from runtime.problem_types import PROBLEM_TYPES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "use-cases.md").read_text(encoding="utf-8")
COLLECTED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
_TEST = re.compile(r"`([^`\s]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (?!case \||---)(.*) \|$", re.MULTILINE)


def rows() -> list[list[str]]:
    return [[cell.strip() for cell in row.split(" | ")] for row in _ROW.findall(PAGE)]


@cache
def collected_from(path: str) -> set[str]:
    """Return the tests that pytest collects from a file."""
    file = ROOT / path
    if not (file.is_file() and file.name.startswith("test_") and path.startswith(tuple(COLLECTED["testpaths"]))):
        return set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, functions) and node.name.startswith("test_")}


def test_every_row_names_tests_that_are_there() -> None:
    assert len(rows()) > 100
    for row in rows():
        assert len(row) == 3, row
        case, outcome, shown_by = row
        assert case, row
        assert outcome, row
        named = _TEST.findall(shown_by)
        assert named, f"{case}: no test is named"
        assert ", ".join(f"`{path}::{name}`" for path, name in named) == shown_by, case
        for path, name in named:
            assert name in collected_from(path), f"{path}::{name}"


def test_no_two_rows_are_the_same() -> None:
    assert len({tuple(row) for row in rows()}) == len(rows())


def test_every_endpoint_has_a_row() -> None:
    cases = " ".join(row[0] + row[1] for row in rows())
    for description in (command_api.description, query_api.description):
        for path, item in description.document()["paths"].items():
            for method in item.keys() - {"head"}:
                assert f"`{method.upper()} {path}`" in cases, f"{method} {path}"


def test_every_problem_is_met() -> None:
    outcomes = " ".join(row[1] for row in rows())
    assert [slug for slug in PROBLEM_TYPES if f"`{slug}`" not in outcomes] == []
