"""Render the charts with the real helm and look into what comes out."""

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parents[2] / "charts"
DIRECTORY = CHARTS / "user-directory"
RELEASE, NAMESPACE = "ud", "directory"
COMPONENTS = ("command-api", "query-api", "projector", "relay")

Manifest = dict[str, Any]


class RenderError(Exception):
    """What helm says."""


def values_files(chart: str = "user-directory") -> list[Path]:
    """Return every values file that an install may use."""
    return [*sorted((CHARTS / chart).glob("ci/*-values.yaml")), *sorted((CHARTS / chart).glob("values-*.yaml"))]


@functools.cache
def render(values: Path | None = None, *sets: str, chart: str = "user-directory") -> "Rendered":
    """Render a chart with a values file and `--set` arguments.

    Raises:
        RenderError: helm refuses.
    """
    command = ["helm", "template", RELEASE, str(CHARTS / chart), "--namespace", NAMESPACE]
    command += ["--values", str(values)] if values else []
    command += [argument for one in sets for argument in ("--set", one)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RenderError(done.stderr)
    return Rendered(done.stdout)


class Rendered:
    """The manifests of one rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.manifests: list[Manifest] = [document for document in yaml.safe_load_all(text) if document]

    def of(self, *kinds: str) -> list[Manifest]:
        """Return the manifests of some kinds."""
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    def one(self, kind: str, name: str) -> Manifest:
        """Return the one manifest of that kind and name; the release's prefix may be left out."""
        names = (name, f"{RELEASE}-user-directory-{name}", f"directory-{name}")
        (found,) = [manifest for manifest in self.of(kind) if manifest["metadata"]["name"] in names]
        return found

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the name and the template of everything that makes pods."""
        for manifest in self.of("Deployment", "StatefulSet", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]


def component(manifest: Manifest) -> str:
    """Return the component that a manifest is for."""
    name: str = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
    return name


def environment(container: Manifest) -> dict[str, Any]:
    """Return the variables that are given one by one: a value, or where it comes from."""
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container.get("env", [])}
