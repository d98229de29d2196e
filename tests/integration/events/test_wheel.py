"""The wheel of `user-directory-events` by itself: it installs into an empty environment, and its quick start runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = "bin/python"
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from a copy of the sources, which stay as they are."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "events", cwd=ROOT).splitlines()
    for name in listed:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    run(
        UV, "build", "--quiet", "--wheel", "--no-build-isolation", "-p", sys.executable, "-o", folder, folder / "events"
    )
    (found,) = folder.glob("user_directory_events-*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel and what it asks for, in the versions that are tested here."""
    folder = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--clear", "-p", sys.executable, folder)
    install(folder, str(wheel))
    return folder


def install(environment: Path, what: str) -> None:
    pins = re.findall(r"^(\S+==\S+)", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    constraints = environment / "constraints.txt"
    constraints.write_text("\n".join(pins))
    run(UV, "pip", "install", "--quiet", "-p", environment / PYTHON, "-c", constraints, what)


def installed(environment: Path) -> set[str]:
    listed = run(UV, "pip", "list", "--format", "freeze", "-p", environment / PYTHON)
    return {line.partition("==")[0].replace("_", "-") for line in listed.splitlines()}


@pytest.mark.timeout(300)
def test_the_wheel_alone_runs_its_quick_start_without_a_kafka_client(environment: Path, tmp_path: Path) -> None:
    readme = (ROOT / "events" / "README.md").read_text(encoding="utf-8")
    quick_start = readme.partition("## Quick start")[2].partition("```python\n")[2].partition("```")[0]
    assert quick_start
    script = tmp_path / "quick_start.py"
    script.write_text(quick_start, encoding="utf-8")

    told = run(environment / PYTHON, script, cwd=tmp_path)

    assert "kafka-python" not in installed(environment)
    assert installed(environment) == {
        "annotated-types",
        "idna",
        "pydantic",
        "pydantic-core",
        "typing-extensions",
        "typing-inspection",
        "user-directory-events",
    }
    loaded, updated, erased = told.splitlines()
    assert loaded == "loaded ada@example.org"
    assert updated.startswith("user.updated 2 ")
    assert "Countess" in updated
    assert erased == "user.erased 3 forget!"


@pytest.mark.timeout(300)
def test_the_command_line_says_which_extra_it_needs_and_runs_with_it(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    command = [str(environment / PYTHON), "-m", "user_directory_events", "--help"]
    without = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (without.returncode, without.stdout) == (2, "")
    assert without.stderr == "user_directory_events: install the extra: pip install 'user-directory-events[kafka]'\n"

    install(environment, f"{wheel}[kafka]")
    assert "tail|show|verify" in run(*command, cwd=tmp_path)
    assert "user_directory_events.consumer" in run(
        environment / PYTHON, "-c", "from user_directory_events.consumer import follow; print(follow.__module__)"
    )
