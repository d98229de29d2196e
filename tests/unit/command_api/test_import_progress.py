"""What the import command keeps on disk, and what it shows."""

import io
import json
from pathlib import Path

import pytest

from command_api.import_meter import Meter
from command_api.import_progress import CannotImport, ImportFile, results_path

LIMIT = 1000
ROWS = [b'{"row":1}\n', b'{"row":2}\n', b'{"row":3}\n']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "users.ndjson"
    file.write_bytes(b"a\nbb\nccc\n")
    return file


def opened(path: Path, key: str | None = None) -> ImportFile:
    return ImportFile.open(path, "ndjson", key, LIMIT)


def test_what_was_not_checkpointed_is_asked_for_again(path: Path) -> None:
    file = opened(path)
    file.done(ROWS[0], "registered", 2)
    file.checkpoint()
    file.done(ROWS[1], "value-taken", 5)
    file.close()
    assert results_path(path).read_bytes() == ROWS[0] + ROWS[1]

    again = opened(path)

    assert (again.progress.row, again.progress.outcomes) == (2, {"registered": 1})
    assert again.rest().read() == b"bb\nccc\n"
    again.done(ROWS[1], "registered", 5)
    again.done(ROWS[2], "registered", 9)
    again.finish()
    assert results_path(path).read_bytes() == b"".join(ROWS)


def test_after_its_end_an_import_begins_anew_under_the_same_key(path: Path) -> None:
    file = opened(path)
    key = file.progress.key
    file.done(ROWS[0], "registered", 2)
    file.finish()

    again = opened(path)

    assert (again.progress.row, again.progress.key) == (1, key)
    assert again.rest().read() == b"a\nbb\nccc\n"
    again.close()
    path.write_bytes(b"other\n")
    assert opened(path).progress.key != key


def test_a_begun_import_keeps_its_key(path: Path) -> None:
    file = opened(path, "mine")
    file.done(ROWS[0], "registered", 2)
    file.checkpoint()
    file.close()

    opened(path).close()
    opened(path, "mine").close()
    with pytest.raises(CannotImport, match="another key"):
        opened(path, "other")


def test_two_do_not_import_one_file_at_once(path: Path) -> None:
    file = opened(path)

    with pytest.raises(CannotImport, match="another process"):
        opened(path)
    file.close()
    opened(path).close()


def test_a_state_that_nobody_wrote_is_not_trusted(path: Path) -> None:
    path.with_name(path.name + ".import-state").write_text(json.dumps({"row": 7}))

    with pytest.raises(CannotImport, match="cannot be read"):
        opened(path)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match=r"missing\.ndjson"):
        opened(tmp_path / "missing.ndjson")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_first_row_of_csv_is_sent_before_any_rest(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "users.csv"
    head = mark + b'email,"given"\r\n'
    path.write_bytes(head + b"a,b\nc,d\n")
    file = ImportFile.open(path, "csv", None, LIMIT)
    file.done(ROWS[0], "registered", len(head) + 4)
    file.checkpoint()
    file.close()

    again = ImportFile.open(path, "csv", None, LIMIT)

    assert (again.header, again.rest().read()) == (head, b"c,d\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_changes(path: Path) -> None:
    out = Terminal()
    file = opened(path)
    meter = Meter(out, file.progress)
    file.done(ROWS[0], "registered", 2)
    file.done(ROWS[1], "value-taken", 5)

    meter.show(file.progress)
    shown = out.getvalue()
    meter.say("the server is silent")
    meter.end()

    assert shown.startswith("\r[#############           ]  56% 2 rows, ")
    assert "1 refused" in shown
    assert "\n" not in shown
    assert out.getvalue().removeprefix(shown).strip(" \r") == "import: the server is silent\n"


def test_elsewhere_lines_are_few(path: Path) -> None:
    out = io.StringIO()
    file = opened(path)
    meter = Meter(out, file.progress)
    file.done(ROWS[0], "registered", 2)

    for _ in range(100):
        meter.show(file.progress)

    assert out.getvalue() == ""
