from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path

import pytest

from copydesk.collect.journal import Journal, Noted
from copydesk.collect.windows import Window, windows_between
from copydesk.errors import CopydeskError
from gdelt_server import SINCE, UNTIL, article

DAYS = windows_between(SINCE, UNTIL, 24)
RECORDS = [article(number, f"Storm {number} – “ö”", SINCE) for number in range(4)]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal.beside(tmp_path / "raw.parquet")
    made.root.mkdir()
    return made


def test_it_stands_beside_the_file_it_will_become(tmp_path: Path) -> None:
    journal = Journal.beside(tmp_path / "raw" / "news-1.parquet")
    assert journal.root == tmp_path / "raw" / ".news-1.parquet.collecting"
    assert journal.out == tmp_path / "raw" / "news-1.parquet"


def test_what_was_asked_for_is_remembered(journal: Journal) -> None:
    assert journal.asked() is None
    journal.begin([{"query": "storm"}])
    assert journal.asked() == [{"query": "storm"}]
    (journal.root / "asked.json").write_text("{")
    assert journal.asked() is None


def test_windows_come_back_with_their_articles_by_source(journal: Journal) -> None:
    assert not journal.has_windows() and journal.windows() == {} and list(journal.records(0)) == []
    journal.add(0, DAYS[0], "whole", RECORDS[:2])
    journal.add(1, DAYS[0], "cut", RECORDS[2:3])
    journal.add(0, DAYS[1], "halved", ())
    journal.add(0, DAYS[2], "whole", RECORDS[3:])
    assert journal.windows() == {
        (0, DAYS[0].key): Noted("whole", 2),
        (1, DAYS[0].key): Noted("cut", 1),
        (0, DAYS[1].key): Noted("halved", 0),
        (0, DAYS[2].key): Noted("whole", 1),
    }
    assert list(journal.records(0)) == [*RECORDS[:2], RECORDS[3]]
    assert list(journal.records(1)) == [RECORDS[2]]
    assert journal.has_windows()


def test_cut_off_anywhere_it_keeps_what_was_whole_and_goes_on(journal: Journal) -> None:
    journal.add(0, DAYS[0], "whole", RECORDS[:2])
    whole = journal.file.read_bytes()
    journal.add(0, DAYS[1], "whole", RECORDS[2:])
    both = journal.file.read_bytes()
    for length in range(len(whole), len(both)):
        journal.file.write_bytes(both[:length])
        assert set(journal.windows()) == {(0, DAYS[0].key)}
        assert journal.file.read_bytes() == whole
    journal.add(0, DAYS[1], "whole", RECORDS[2:])
    assert journal.file.read_bytes() == both
    assert list(journal.records(0)) == RECORDS


def test_a_damaged_line_ends_what_counts(journal: Journal) -> None:
    for day in DAYS[:3]:
        journal.add(0, day, "whole", RECORDS[:1])
    lines = journal.file.read_bytes().splitlines(keepends=True)
    journal.file.write_bytes(lines[0] + lines[1][:20] + b"\x00\x00" + lines[1][22:] + lines[2])
    assert set(journal.windows()) == {(0, DAYS[0].key)}


def test_windows_of_any_length_have_names_of_their_own() -> None:
    names = {Window(SINCE, SINCE + timedelta(minutes=minutes)).key for minutes in (15, 30, 60, 24 * 60)}
    assert len(names) == 4


def test_a_full_disk_is_told_and_what_was_there_is_kept(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal.add(0, DAYS[0], "whole", RECORDS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            CopydeskError, match="No space left on device. What was collected before is kept; make room"
        ):
            journal.add(0, DAYS[1], "whole", RECORDS)
    assert (0, DAYS[0].key) in journal.windows()
