from pathlib import Path

import pytest

from benchmarks import maintainers
from benchmarks.maintainers import NoPackageLists, Person, from_file, people


def test_each_person_is_read_once_however_often_they_are_named() -> None:
    lines = ["Jo Doe <jo@example.org>", " Jo Doe <jo@example.org>\n", "Jo Doe <JO@example.org>", ""]
    assert people(lines) == [Person("Jo Doe", "JO@example.org"), Person("Jo Doe", "jo@example.org")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Ann <ann@example.org>, Bo <bo@example.org>", [("Ann", "ann@example.org"), ("Bo", "bo@example.org")]),
        ('"Doe, Jo" <jo@example.org>', [("Doe, Jo", "jo@example.org")]),
        ("Jo (aka Ö) Doe <jo@example.org>", [("Jo Doe (aka Ö)", "jo@example.org")]),
        ("Debian/Ubuntu Qt & KDE team <a+b@example.org>", [("Debian/Ubuntu Qt & KDE team", "a+b@example.org")]),
        ("张三 <zhang@example.org>", [("张三", "zhang@example.org")]),
        ("<jo@example.org>", [("", "jo@example.org")]),
    ],
)
def test_lines_are_read_as_rfc_822_says(line: str, expected: list[tuple[str, str]]) -> None:
    assert people([line]) == expected


@pytest.mark.parametrize("line", ["nobody", "Jo <jo@>", ",", "<>"])
def test_what_is_no_address_is_kept_for_the_directory_to_refuse(line: str) -> None:
    assert len(people([line])) == 1


def test_a_file_has_one_line_for_each(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text("Zoë <zoë@example.org>\nBo <bo@example.org>\n", "utf-8")
    assert from_file(file) == [Person("Bo", "bo@example.org"), Person("Zoë", "zoë@example.org")]


def test_a_missing_file_and_a_missing_apt_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoPackageLists, match=r"^\S+ cannot be read .*--people$"):
        from_file(tmp_path / "nothing")
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NoPackageLists, match=r"no apt on this machine.*--people"):
        maintainers.from_apt()
