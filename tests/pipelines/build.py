"""A build of one job as Concourse makes it: its steps in order, each task in a folder of its own, then its hooks.

What a task leaves outside its outputs is lost, an input is a copy, parameters are its environment's only variables of
ours, and `((variables))` are looked up when a step runs. What is not done: resource
checks, containers, steps side by side.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]

_VARIABLE = re.compile(r"\(\(([^()]+)\)\)")
_LOCAL = ".:"
_TASK_SECONDS = 1500
_SHOWN = 800


class BuildError(Exception):
    """The pipeline asks for something that is not there."""


@dataclass(frozen=True)
class Done:
    """A task that ran."""

    task: str
    command: str
    status: int
    output: str
    seconds: float


@dataclass(repr=False)
class Build:
    """One build.

    Args:
        folder: an empty folder for all that the build makes.
        resources: the folder that each `get` gets, by the resource's name; a resource that is not there gives nothing.
        variables: what the credential manager knows.
        environ: what the workers' image has in its environment.
    """

    folder: Path
    resources: Mapping[str, Path]
    variables: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    done: list[Done] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    _local: dict[str, str] = field(default_factory=dict)

    def run(self, pipeline: Path, job: str, without: tuple[str, ...] = ()) -> bool:
        """Run a job, but for some tasks, and the hook of its outcome; say whether it succeeded."""
        (found,) = [one for one in yaml.safe_load(pipeline.read_text())["jobs"] if one["name"] == job]
        passed = all(self._steps(step, without) for step in found["plan"])
        hook = found.get("on_success" if passed else "on_failure")
        if hook is not None and not self._step(hook):
            raise BuildError(f"the hook of {job} failed: {self.done[-1].output}")
        return passed

    def statuses(self) -> dict[str, int]:
        """Return the tasks' exit statuses by their names."""
        return {one.task: one.status for one in self.done}

    def failure(self) -> str:
        """Return the first task that failed and the end of what it printed."""
        failed = next(done for done in self.done if done.status)
        return f"{failed.task}: {failed.output[-_SHOWN:]}"

    def _steps(self, step: Config, without: tuple[str, ...]) -> bool:
        """Take a step; those that Concourse takes side by side one after the other, of which none stops the others."""
        if "in_parallel" in step:
            taken = [self._steps(inner, without) for inner in step["in_parallel"]["steps"]]
            return all(taken)
        return step.get("task") in without or self._step(step)

    def _step(self, step: Config) -> bool:
        if "get" in step:
            if step["get"] in self.resources:
                self.artifacts[step["get"]] = self.resources[step["get"]]
        elif "load_var" in step:
            self._local[step["load_var"]] = self._artifact(step["file"]).read_text().strip()
        elif "task" in step:
            return self._task(step)
        else:
            raise BuildError(f"a build does not know the step {step}")
        return True

    def _task(self, step: Config) -> bool:
        task = yaml.safe_load(self._artifact(step["file"]).read_text())
        here = self.folder / f"{len(self.done)}-{step['task']}"
        here.mkdir()
        for given in task.get("inputs", []):
            if given["name"] in self.artifacts:
                shutil.copytree(self.artifacts[given["name"]], here / given["name"], symlinks=True)
            elif not given.get("optional"):
                raise BuildError(f"{step['task']} needs {given['name']}, which no step gave")
        for made in [*task.get("outputs", []), *({"name": cache["path"]} for cache in task.get("caches", []))]:
            (here / made["name"]).mkdir(exist_ok=True)
        given = {**(task.get("params") or {}), **step.get("params", {})}
        parameters = {name: self._text(value) for name, value in given.items() if value is not None}
        command = [task["run"]["path"], *task["run"].get("args", [])]
        started = time.monotonic()
        ran = subprocess.run(
            command,
            cwd=here / task["run"].get("dir", "."),
            env={**self.environ, **parameters},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TASK_SECONDS,
            check=False,
        )
        self.artifacts.update({made["name"]: here / made["name"] for made in task.get("outputs", [])})
        self.done.append(Done(step["task"], " ".join(command), ran.returncode, ran.stdout, time.monotonic() - started))
        return ran.returncode == 0

    def _artifact(self, path: str) -> Path:
        name, _, rest = path.partition("/")
        if name not in self.artifacts:
            raise BuildError(f"{path} is not there: no step gave {name}")
        return self.artifacts[name] / rest

    def _text(self, value: object) -> str:
        return _VARIABLE.sub(lambda found: self._variable(found[1]), str(value))

    def _variable(self, name: str) -> str:
        known = self._local if name.startswith(_LOCAL) else self.variables
        name = name.removeprefix(_LOCAL)
        if name not in known:
            raise BuildError(f"nobody knows the variable (({name}))")
        return known[name]
