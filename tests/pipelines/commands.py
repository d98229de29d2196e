"""Doubles of the workers' programs, which need an engine, a server, a database or a cluster.

Each takes the very arguments that the Makefile gives, refuses others, and talks to the doubles of `peers` over HTTP.
What `helm` does without a cluster, the real one does.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

STATE = "PIPELINE_DOUBLES"
"""Variable that names the folder in which they remember things and are found."""
VULNERABLE = "PIPELINE_DOUBLES_VULNERABLE"
"""Variable that makes `trivy` find something."""

_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def install(folder: Path) -> dict[str, str]:
    """Make the doubles found before all else; return the environment for that."""
    root = Path(__file__).parents[2]
    for name in NAMES:
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nPYTHONPATH={root}:{root}/events exec {sys.executable} -m {__spec__.name} {name} "$@"\n'
        )
        path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", STATE: str(folder)}


def buildah(arguments: list[str]) -> None:
    """Build: remember the labels; push: the image of a single file, with these labels."""
    state = Path(os.environ[STATE])
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("--build-arg", action="append", default=[])
    build.add_argument("--tag", required=True)
    build.add_argument("context", type=Path)
    login = commands.add_parser("login")
    login.add_argument("--username", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.add_argument("host")
    push = commands.add_parser("push")
    push.add_argument("image")
    asked = parser.parse_args(arguments)
    if asked.command == "build":
        labels = {}
        declared = (asked.context / "Dockerfile").read_text()
        for name, value in (one.split("=", 1) for one in asked.build_arg):
            if f"ARG {name}" not in declared:
                sys.exit(f"the Dockerfile takes no {name}")
            labels[f"org.opencontainers.image.{name.lower()}"] = value
        (state / "image.json").write_text(json.dumps({"tag": asked.tag, "labels": labels}))
    elif asked.command == "login":
        credentials = (asked.username, sys.stdin.read().strip())
        httpx.get(f"http://{asked.host}/v2/", auth=credentials, trust_env=False).raise_for_status()
        (state / "login.json").write_text(json.dumps(credentials))
    else:
        _push(
            asked.image, json.loads((state / "image.json").read_text()), json.loads((state / "login.json").read_text())
        )


def _push(image: str, built: dict[str, object], credentials: list[str]) -> None:
    if built["tag"] != image:
        sys.exit(f"{image} was not built")
    host, _, rest = image.partition("/")
    repository, _, tag = rest.rpartition(":")
    base = f"http://{host}/v2/{repository}"
    with httpx.Client(auth=(credentials[0], credentials[1]), trust_env=False) as registry:
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": built["labels"]}}).encode()
        described = []
        for content in (config, gzip.compress(b"", mtime=0)):
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            place = registry.post(f"{base}/blobs/uploads/").raise_for_status().headers["Location"]
            registry.put(f"http://{host}{place}", params={"digest": digest}, content=content).raise_for_status()
            described.append({"digest": digest, "size": len(content)})
        manifest = {"schemaVersion": 2, "mediaType": _DOCKER, "config": described[0], "layers": described[1:]}
        registry.put(
            f"{base}/manifests/{tag}", content=json.dumps(manifest), headers={"Content-Type": _DOCKER}
        ).raise_for_status()


def sonar_scanner(arguments: list[str]) -> None:
    """Read the project's properties, as the real one does, and send the reports' sizes instead of an analysis."""
    text = Path("sonar-project.properties").read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    properties |= dict(one.removeprefix("-D").split("=", 1) for one in arguments)
    for name in [*properties["sonar.sources"].split(","), *properties["sonar.tests"].split(",")]:
        if not Path(name).exists():
            sys.exit(f"sonar: {name} is not there")
    reports = {key: str(Path(value).stat().st_size) for key, value in properties.items() if "reportPath" in key}
    url = os.environ["SONAR_HOST_URL"]
    answer = httpx.post(
        f"{url}/api/ce/submit",
        json={"projectKey": properties["sonar.projectKey"], **reports},
        auth=(os.environ["SONAR_TOKEN"], ""),
        trust_env=False,
    ).raise_for_status()
    work = Path(".scannerwork")
    work.mkdir(exist_ok=True)
    key = properties["sonar.projectKey"]
    (work / "report-task.txt").write_text(
        f"projectKey={key}\nserverUrl={url}\ndashboardUrl={url}/dashboard?id={key}\nceTaskId={answer.json()['taskId']}\n"
    )


def syft(arguments: list[str]) -> None:
    """Pull the image by its digest, and list its layers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["scan"])
    parser.add_argument("--quiet", action="store_true", required=True)
    parser.add_argument("source")
    parser.add_argument("--output", required=True)
    asked = parser.parse_args(arguments)
    host, _, rest = asked.source.removeprefix("registry:").partition("/")
    repository, _, digest = rest.partition("@")
    credentials = (os.environ["SYFT_REGISTRY_AUTH_USERNAME"], os.environ["SYFT_REGISTRY_AUTH_PASSWORD"])
    found = httpx.get(f"http://{host}/v2/{repository}/manifests/{digest}", auth=credentials, trust_env=False)
    layers = [{"type": "file", "name": layer["digest"]} for layer in found.raise_for_status().json()["layers"]]
    form, _, target = asked.output.partition("=")
    if form != "cyclonedx-json":
        sys.exit(f"no such form: {form}")
    Path(target).write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": layers}))


def trivy(arguments: list[str]) -> None:
    """Read the list of components, and find something if it is told to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["sbom"])
    parser.add_argument("--exit-code", type=int, required=True)
    parser.add_argument("--severity", required=True)
    parser.add_argument("--ignore-unfixed", action="store_true", required=True)
    parser.add_argument("sbom", type=Path)
    asked = parser.parse_args(arguments)
    if json.loads(asked.sbom.read_text())["bomFormat"] != "CycloneDX":
        sys.exit("trivy: no CycloneDX document")
    if os.environ.get(VULNERABLE):
        print(f"{os.environ[VULNERABLE]} {asked.severity}")
        sys.exit(asked.exit_code)


def helm(arguments: list[str]) -> None:
    """Upgrade: render the package with the values, as the real one would before it applies them; all else is real."""
    mine = os.environ[STATE]
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != mine)
    real = shutil.which("helm", path=path)
    if real is None:
        sys.exit("helm is not on the PATH")
    if arguments[0] != "upgrade":
        sys.exit(subprocess.run([real, *arguments], check=False).returncode)
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    for flag in ("--install", "--atomic", "--wait"):
        parser.add_argument(flag, action="store_true", required=True)
    for option in ("--namespace", "--values", "--timeout"):
        parser.add_argument(option, required=True)
    parser.add_argument("release")
    parser.add_argument("package")
    asked = parser.parse_args(arguments)
    rendered = subprocess.run(
        [real, "template", asked.release, asked.package, "--namespace", asked.namespace, "--values", asked.values],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = {
        "release": asked.release,
        "namespace": asked.namespace,
        "kubeconfig": Path(os.environ["KUBECONFIG"]).read_text(),
        "manifests": rendered.stdout,
    }
    (Path(mine) / "deployed.json").write_text(json.dumps(told))


NAMES: dict[str, Callable[[list[str]], None]] = {
    "buildah": buildah,
    "helm": helm,
    "sonar-scanner": sonar_scanner,
    "syft": syft,
    "trivy": trivy,
}

if __name__ == "__main__":
    NAMES[sys.argv[1]](sys.argv[2:])
