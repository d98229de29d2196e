import hashlib
from pathlib import Path
from typing import Any

import pytest
from maven_artifact import RequestException

from devstack import jars
from devstack.errors import DevstackError
from devstack.jars import Jar

_CONTENT = b"a jar"
_JAR = Jar("org.example:thing:1.0", hashlib.sha256(_CONTENT).hexdigest())
_OTHER = Jar("org.example:other:2.0", hashlib.sha256(_CONTENT).hexdigest())


class _Repository:
    """Stand in for the downloader; `content` None is a machine without a network."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.asked: list[str] = []
        self.requestor: Any = None

    def __call__(self, *base: str) -> "_Repository":
        return self

    def download(self, artifact: Any, filename: str) -> None:
        self.asked.append(f"{artifact.group_id}:{artifact.artifact_id}:{artifact.version}")
        if self.content is None:
            raise RequestException("Failed to download \nName or service not known")
        Path(filename).write_bytes(self.content)


def _use(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> _Repository:
    repository = _Repository(content)
    monkeypatch.setattr(jars, "Downloader", repository)
    return repository


def test_the_committed_list_is_the_closure_of_kafka() -> None:
    found = jars.listed()

    assert len(found) == len({jar.file_name for jar in found}) == 46
    assert all(len(jar.sha256) == 64 for jar in found)
    assert {"kafka_2.13-4.3.1.jar", "log4j-slf4j-impl-2.25.1.jar"} <= {jar.file_name for jar in found}


def test_a_second_fetch_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = _use(monkeypatch, _CONTENT)

    first = jars.fetch(tmp_path, lambda _: None, [_JAR, _OTHER])
    second = jars.fetch(tmp_path, pytest.fail, [_JAR, _OTHER])

    assert sorted(repository.asked) == ["org.example:other:2.0", "org.example:thing:1.0"]
    assert first == second
    assert [path.read_bytes() for path in first] == [_CONTENT, _CONTENT]
    assert sorted(path.name for path in (tmp_path / "kafka").iterdir()) == ["other-2.0.jar", "thing-1.0.jar"]


def test_a_jar_damaged_in_the_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = _use(monkeypatch, _CONTENT)
    (path,) = jars.fetch(tmp_path, lambda _: None, [_JAR])
    path.write_bytes(_CONTENT[:3])

    jars.fetch(tmp_path, lambda _: None, [_JAR])

    assert len(repository.asked) == 2
    assert path.read_bytes() == _CONTENT


def test_a_jar_with_another_hash_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, b"another jar")

    with pytest.raises(DevstackError, match=r"org\.example:thing:1\.0 .*SHA-256") as caught:
        jars.fetch(tmp_path, lambda _: None, [_JAR])

    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "kafka").iterdir())


def test_no_network_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, None)

    with pytest.raises(DevstackError, match=r"connect to the network once.*Name or service not known") as caught:
        jars.fetch(tmp_path, lambda _: None, [_JAR])

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("<settings/>", None),
        ("<settings><mirrors><mirror><mirrorOf>*</mirrorOf><url>u</url></mirror></mirrors></settings>", "u"),
        (
            '<settings xmlns="urn:maven"><mirror><mirrorOf>central</mirrorOf><url> u </url></mirror></settings>',
            "u",
        ),
        ("<settings><mirrors><mirror><mirrorOf>corp</mirrorOf><url>u</url></mirror></mirrors></settings>", None),
    ],
)
def test_the_mirror_that_maven_would_use_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, expected: str | None
) -> None:
    monkeypatch.delenv("MAVEN_REPOSITORY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(settings)

    assert jars._repository() == expected

    monkeypatch.setenv("MAVEN_REPOSITORY", "named")
    assert jars._repository() == "named"
