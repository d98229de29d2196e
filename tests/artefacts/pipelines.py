"""Concourse's pipelines against typed models of its schema, tasks and Sonar's properties against the Makefile."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from ol_concourse.lib.models import pipeline as models
from pydantic import ValidationError

from tests.artefacts.tools import Fault

_STEPS: Final = {
    "get": models.GetStep,
    "put": models.PutStep,
    "task": models.TaskStep,
    "set_pipeline": models.SetPipelineStep,
    "load_var": models.LoadVarStep,
    "in_parallel": models.InParallelStep,
    "do": models.DoStep,
    "try": models.TryStep,
}
_HOOKS: Final = ("on_success", "on_failure", "on_error", "on_abort", "ensure")
# Keys of SonarScanner and of its plug-in for Python; a key that it does not know is ignored in silence.
_SONAR_KEYS: Final = {
    "sonar.projectKey",
    "sonar.projectName",
    "sonar.sourceEncoding",
    "sonar.sources",
    "sonar.tests",
    "sonar.exclusions",
    "sonar.coverage.exclusions",
    "sonar.python.version",
    "sonar.python.coverage.reportPaths",
    "sonar.python.xunit.reportPath",
    "sonar.python.ruff.reportPaths",
}
_SONAR_PATHS: Final = ("sonar.sources", "sonar.tests")
_SONAR_REPORTS: Final = tuple(key for key in sorted(_SONAR_KEYS) if "report" in key)

# The credential manager looks a variable up as the Secret of that name; a part after a dot is a key in it.
_VARIABLE: Final = re.compile(r"\(\(([^()]+)\)\)")
_NAME_OF_A_SECRET: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9-]+)?")
_LOCAL: Final = ".:"

Config = dict[str, Any]


def concourse(root: Path) -> str:
    """Check every pipeline, and that each task's file is there and calls a target that is there."""
    targets = set(re.findall(r"(?m)^([a-z-]+)(?: [a-z-]+)*:", (root / "Makefile").read_text()))
    files = {path.name for path in (root / "concourse" / "tasks").glob("*.yml")}
    used: set[str] = set()
    for path in sorted((root / "concourse").glob("*.yml")):
        used |= _pipeline(root, path)
    if unused := files - used:
        raise Fault(f"no pipeline uses {', '.join(sorted(unused))}")
    for name in sorted(files):
        run = _task(root, f"concourse/tasks/{name}").run
        if run is None or run.path != "make" or len(run.args or []) != 1 or run.args[0] not in targets:
            raise Fault(f"concourse/tasks/{name} does not call one target of the Makefile")
    return f"{len(files)} tasks"


def sonar(root: Path) -> str:
    """Check that Sonar's properties are known, and that the paths and reports they name are there or made."""
    lines = (root / "sonar-project.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    if unknown := set(properties) - _SONAR_KEYS:
        raise Fault(f"sonar-project.properties: no such key: {', '.join(sorted(unknown))}")
    for key in _SONAR_PATHS:
        for name in properties[key].split(","):
            if not (root / name).exists():
                raise Fault(f"sonar-project.properties: {key}: {name} is not there")
    makefile = (root / "Makefile").read_text()
    for key in _SONAR_REPORTS:
        name = properties[key].replace("build/", "$(OUT)/")
        if makefile.count(name) < 2:
            raise Fault(f"sonar-project.properties: {key}: no target makes {properties[key]}")
    return f"{len(properties)} properties"


def _pipeline(root: Path, path: Path) -> set[str]:
    """Check one pipeline; return the names of its tasks' files."""
    text = path.read_text()
    config = yaml.safe_load(text)
    where = path.relative_to(root)
    for name in _VARIABLE.findall(text):
        if not name.startswith(_LOCAL) and not _NAME_OF_A_SECRET.fullmatch(name):
            raise Fault(f"{where}: no Secret of Kubernetes can be named {name}, so (({name})) is never found")
    resources = {resource["name"] for resource in config["resources"]}
    known = {job["name"] for job in config["jobs"]}
    used = set()
    try:
        for job in config["jobs"]:
            steps = [*job["plan"], *(job[hook] for hook in _HOOKS if hook in job)]
            got = {step["get"] for step in _all(steps) if "get" in step}
            for step in _all(steps):
                _references(where, job["name"], step, resources, known, got)
                if "task" in step:
                    name = step["file"].removeprefix("source/")
                    _parameters(where, step, _task(root, name))
                    used.add(Path(name).name)
            job["plan"] = [_typed(step) for step in job["plan"]]
            job.update({hook: _typed(job[hook]) for hook in _HOOKS if hook in job})
        models.Pipeline.model_validate(config)
    except ValidationError as error:
        raise Fault(f"{where}: {error}") from error
    return used


def _all(steps: list[Config]) -> Iterator[Config]:
    for step in steps:
        yield step
        inner: Any = step.get("in_parallel", step.get("do", []))
        yield from _all(inner["steps"] if isinstance(inner, dict) else inner)
        yield from _all([step[hook] for hook in _HOOKS if hook in step])


def _references(where: Path, job: str, step: Config, resources: set[str], jobs: set[str], got: set[str]) -> None:
    if "get" in step and step["get"] not in resources:
        raise Fault(f"{where}: {job} gets {step['get']}, which is no resource")
    if missing := set(step.get("passed", [])) - jobs:
        raise Fault(f"{where}: {job} waits for {', '.join(missing)}, which is no job")
    if "task" in step and step.get("image") not in got:
        raise Fault(f"{where}: {job}/{step['task']} has no image that the job gets")


def _parameters(where: Path, step: Config, task: "models.TaskConfig") -> None:
    """A parameter without a value in the task's file is one that the pipeline must give, and it may give no other."""
    declared: Config = {**(task.params or {})}
    given = set(step.get("params", {}))
    if unknown := given - set(declared):
        raise Fault(f"{where}: {step['task']} knows no parameter {', '.join(sorted(unknown))}")
    if missing := {name for name, value in declared.items() if value is None} - given:
        raise Fault(f"{where}: {step['task']} is not given {', '.join(sorted(missing))}")


def _task(root: Path, name: str) -> "models.TaskConfig":
    path = root / name
    if not path.is_file():
        raise Fault(f"{name} is not there")
    try:
        return models.TaskConfig.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise Fault(f"{name}: {error}") from error


def _typed(step: Config) -> Any:
    """Return a step as its own model: the schema's union would let a wrong key pass."""
    kinds = [kind for kind in _STEPS if kind in step]
    if len(kinds) != 1:
        raise Fault(f"a step must be of exactly one kind: {step}")
    (kind,) = kinds
    typed: Config = {**step, **{hook: _typed(step[hook]) for hook in _HOOKS if hook in step}}
    if kind in ("in_parallel", "do"):
        inner = step[kind]
        typed[kind] = (
            {**inner, "steps": [_typed(one) for one in inner["steps"]]}
            if isinstance(inner, dict)
            else [_typed(one) for one in inner]
        )
    return _STEPS[kind].model_validate(typed)
