"""What a build finds: a repository, an environment's values, doubles of the peers and of the workers' programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.pipelines import commands
from tests.pipelines.build import Build
from tests.pipelines.peers import PASSWORD, SLACK_PATH, TOKEN, USER, Peers

ROOT = Path(__file__).parents[2]
# That of the interpreter which runs this.
VENV = Path(sys.prefix)
CI, CD = (ROOT / "concourse" / f"{name}.yml" for name in ("ci", "cd"))
_VALUES = "charts/user-directory/ci/minimal-values.yaml"
_LONG_AGO = (0, 0)


def repository(target: Path) -> None:
    """Make a repository of one commit with the files as they are here."""
    target.mkdir(parents=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    commit(target)


def commit(repository: Path) -> None:
    """Commit everything, and leave what Concourse's git resource leaves."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    head = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(head, cwd=repository, capture_output=True, text=True, check=True)
    (repository / ".git" / "short_ref").write_text(done.stdout)


def lend(environment: Path, repository: Path) -> None:
    """Let a repository use a virtual environment in which there is nothing left to install."""
    (repository / ".venv").symlink_to(environment)
    for lock in (repository / "requirements").glob("*.txt"):
        os.utime(lock, _LONG_AGO)


def build(folder: Path, repository: Path, there: Peers) -> Build:
    """Return a build that has everything that it needs, and has not begun; the folder is for all that it makes."""
    environments, doubles, work = (folder / name for name in ("environments", "doubles", "build"))
    for made in (environments / "dev", doubles, work):
        made.mkdir(parents=True)
    shutil.copyfile(repository / _VALUES, environments / "dev" / "user-directory.yaml")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "OUT", "CI"))}
    return Build(
        work,
        {"source": repository, "environments": environments},
        {
            "image": f"{there.host}/team/user-directory",
            "registry-user": USER,
            "registry-password": PASSWORD,
            "sonar-url": there.url,
            "sonar-token": TOKEN,
            "slack-webhook": f"{there.url}{SLACK_PATH}",
            "concourse-url": "https://concourse.example.org",
            "dev-kubeconfig": "apiVersion: v1\nkind: Config\n",
            "dev-url": "https://dev.example.org",
            "dev-token": "made-up",
        },
        environ | commands.install(doubles),
    )
