import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.accepted_events import Kept
from projector.backup_file import BackupReader, BackupWriter, BadBackup, Header, created, opened
from tests.property.strategies import user_events
from tests.sample_events import deleted, discard, registered, updated
from user_directory_events import UserEvent

HEADER = Header("0192d3a0-0000-7000-8000-000000000009", "2026-11-24T08:30:00.123Z", {"0": 12})
CHANGE = updated(2, fields={"display_name": "Jo"})
EVENTS: list[Kept] = [
    (registered(), 1000),
    (CHANGE, 2000),
    (discard(CHANGE.id), 2500),
    (deleted(3, sequence=3), 3000),
]


def written(events: list[Kept]) -> bytes:
    out = io.BytesIO()
    writer = BackupWriter(out, HEADER)
    for kept in events:
        writer.add(kept)
    writer.finish()
    return out.getvalue()


def reader(content: bytes) -> BackupReader:
    return BackupReader(io.BytesIO(content), compressed=False)


def test_a_backup_says_what_it_holds_and_gives_it_back() -> None:
    backup = reader(written(EVENTS))
    header, trailer = backup.verify()
    assert header == HEADER
    assert (trailer.events, trailer.discards, trailer.users) == (3, 1, 1)
    assert list(backup.records()) == EVENTS
    assert list(backup.records()) == EVENTS


def test_a_backup_of_an_empty_log_is_a_backup() -> None:
    backup = reader(written([]))
    assert backup.verify()[1].events == 0
    assert list(backup.records()) == []


@given(user_events, st.integers(0, 2**48))
def test_whatever_an_event_holds_comes_back(event: UserEvent, timestamp: int) -> None:
    assert list(reader(written([(event, timestamp)])).records()) == [(event, timestamp)]


@given(st.data())
def test_whatever_byte_is_lost_or_changed_is_noticed(data: st.DataObject) -> None:
    content = bytearray(written(EVENTS))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadBackup):
        reader(bytes(content)).verify()


def without_line(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        without_line(0),
        without_line(1),
        without_line(5),
        lambda lines: [lines[0], lines[3], *lines[1:3], *lines[4:]],
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [],
    ],
)
def test_lines_that_are_missing_or_elsewhere_are_noticed(change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = written(EVENTS).splitlines(keepends=True)
    with pytest.raises(BadBackup):
        reader(b"".join(change(lines))).verify()


def test_a_compressed_backup_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    with created(str(tmp_path / "b.ndjson.gz")) as out:
        out.write(written(EVENTS))
    renamed = tmp_path / "renamed"
    (tmp_path / "b.ndjson.gz").rename(renamed)
    assert gzip.decompress(renamed.read_bytes()) == written(EVENTS)

    backup = opened(str(renamed), io.BytesIO())

    backup.verify()
    assert list(backup.records()) == EVENTS


def test_a_compressed_backup_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(written(EVENTS))[:-20])
    with pytest.raises(BadBackup, match="decompressed"):
        opened(str(cut), io.BytesIO()).verify()


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "b.ndjson"

    def break_off() -> None:
        with created(str(target)) as out:
            out.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert not target.exists()
    with created(str(target)) as out:
        out.write(b"whole")
    assert target.read_bytes() == b"whole"
    with pytest.raises(BadBackup, match="exists"), created(str(target)):
        pytest.fail("it was made")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="No such file"):
        opened(str(tmp_path / "nowhere"), io.BytesIO())
