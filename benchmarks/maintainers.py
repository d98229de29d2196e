"""Real people for the demo: who maintains Debian's packages, by the package lists that apt has on this machine.

They are read when they are needed and are kept nowhere.
"""

import email.utils
import inspect
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

_FIELD: Final = "Maintainer:"
# It reads the lists whatever they are compressed with.
_APT_HELPER: Final = "/usr/lib/apt/apt-helper"
# Later releases of the standard library refuse what they find ambiguous, unless told to do their best.
_LENIENT: Final[dict[str, Any]] = (
    {"strict": False} if "strict" in inspect.signature(email.utils.getaddresses).parameters else {}
)


class NoPackageLists(Exception):
    """This machine has none; the message is one line that says what to do."""


class Person(NamedTuple):
    """A name and an e-mail address, spelled as in the list; either may be empty."""

    name: str
    address: str


def from_apt() -> list[Person]:
    """Return every distinct maintainer in the package lists of this machine.

    Raises:
        NoPackageLists: see there.
    """
    if not (shutil.which("apt-get") and Path(_APT_HELPER).exists()):
        raise NoPackageLists("There is no apt on this machine: name a file of `Name <address>` lines with --people")
    lists = _run("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages").split()
    if not lists:
        raise NoPackageLists("apt has no package lists on this machine: run `apt-get update` as root, then try again")
    lines = _run(_APT_HELPER, "cat-file", *lists).splitlines()
    return people(line.removeprefix(_FIELD) for line in lines if line.startswith(_FIELD))


def from_file(path: Path) -> list[Person]:
    """Return every distinct person of a file with `Name <address>` on each line.

    Raises:
        NoPackageLists: the file cannot be read.
    """
    try:
        return people(path.read_text("utf-8", errors="replace").splitlines())
    except OSError as error:
        raise NoPackageLists(f"{path} cannot be read ({error.strerror}): name another file with --people") from error


def people(lines: Iterable[str]) -> list[Person]:
    """Read `Name <address>` lines as RFC 822 says; a line may name several people.

    What is no address is not left out: the directory shall say what is wrong with it.
    """
    distinct = {line.strip() for line in lines} - {""}
    return sorted({person for line in distinct for person in _people(line)})


def _people(line: str) -> list[Person]:
    found = [Person(*pair) for pair in email.utils.getaddresses([line], **_LENIENT)]
    return [person for person in found if any(person)] or [Person(line, "")]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise NoPackageLists(f"apt's package lists cannot be read: {reason[-1]}")
    return done.stdout.decode("utf-8", errors="replace")
