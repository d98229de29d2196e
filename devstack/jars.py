"""Fetch Kafka's jars once and check each against its recorded hash."""

import contextlib
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from maven_artifact import Artifact, Downloader, RequestException
from maven_artifact.requestor import Requestor

from devstack.errors import DevstackError

_LIST = Path(__file__).with_name("kafka-jars.txt")
_THREADS = 8
_CONNECT_SECONDS, _READ_SECONDS = 10, 30


@dataclass(frozen=True)
class Jar:
    """One line of the list."""

    coordinates: str
    """group:artifact:version"""
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the name that Maven gives the file."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"

    def matches(self, path: Path) -> bool:
        """Tell whether the file is this jar, byte for byte."""
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def listed(path: Path = _LIST) -> list[Jar]:
    """Return the jars of the list, in its order."""
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(coordinates, sha256) for sha256, coordinates in lines]


def fetch(cache: Path, say: Callable[[str], None], jars: list[Jar] | None = None) -> list[Path]:
    """Return the paths of all jars, after fetching those that the cache lacks.

    Raises:
        DevstackError: a jar cannot be had, or is not the recorded one.
    """
    jars = listed() if jars is None else jars
    folder = cache / "kafka"
    missing = [jar for jar in jars if not jar.matches(folder / jar.file_name)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"Fetching {len(missing)} jars of Apache Kafka (43 MB in all) into {folder} ...")
        begun = time.monotonic()
        with (
            tempfile.TemporaryDirectory(dir=folder) as unchecked,
            # The downloader prints two lines for each jar.
            contextlib.redirect_stdout(io.StringIO()),
            _all_or_nothing(ThreadPoolExecutor(_THREADS)) as pool,
        ):
            # Each result is asked for, so that the first failure is raised.
            list(pool.map(lambda jar: _fetch(jar, Path(unchecked), folder), missing))
        say(f"Fetched them in {time.monotonic() - begun:.1f} s; the next start fetches nothing.")
    return [folder / jar.file_name for jar in jars]


@contextlib.contextmanager
def _all_or_nothing(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """Drop what still waits as soon as one download has failed."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _fetch(jar: Jar, unchecked: Path, folder: Path) -> None:
    group, artifact, version = jar.coordinates.split(":")
    base = _repository()
    downloader = Downloader(base) if base else Downloader()
    downloader.requestor = _BoundedRequestor()
    path = unchecked / jar.file_name
    try:
        downloader.download(Artifact(group, artifact, version), str(path))
    # Once the answer has begun, the library lets errors of the network through; requests' are OSErrors.
    except (RequestException, OSError) as error:
        raise DevstackError(
            f"Kafka's jar {jar.coordinates} could not be fetched: connect to the network once, or name a Maven "
            f"repository in MAVEN_REPOSITORY, or a running Kafka in KAFKA_BOOTSTRAP_SERVERS ({_first_line(error)})"
        ) from error
    if not jar.matches(path):
        raise DevstackError(
            f"Kafka's jar {jar.coordinates} is not the one recorded in devstack/{_LIST.name} (SHA-256 differs) and was "
            "dropped: try again, or find out who changed it on the way"
        )
    path.replace(folder / jar.file_name)


def _repository() -> str | None:
    """Return the Maven repository this machine is set to use, or None for the downloader's own default."""
    named = os.environ.get("MAVEN_REPOSITORY")
    settings = Path.home() / ".m2" / "settings.xml"
    if named or not settings.is_file():
        return named or None
    for mirror in ElementTree.parse(settings).iterfind(".//{*}mirror"):  # noqa: S314 - the user's own file
        url = mirror.findtext("{*}url")
        if url and mirror.findtext("{*}mirrorOf", "").split(",")[0].strip() in {"*", "central", "external:*"}:
            return url.strip()
    return None


def _first_line(error: Exception) -> str:
    # The library's exception keeps its text apart and puts the cause on a second line.
    return " ".join(str(getattr(error, "msg", "") or error).split())[:200]


class _BoundedRequestor(Requestor):  # type: ignore[misc] # the library has no types
    """Wait for an answer for a bounded time; the library's own waits for ever."""

    def request(self, url: str, onFail: Any, onSuccess: Any = None, method: str = "get", **options: Any) -> Any:  # noqa: N803
        """Make one request, as the library's own does."""
        return super().request(url, onFail, onSuccess, method, timeout=(_CONNECT_SECONDS, _READ_SECONDS), **options)
