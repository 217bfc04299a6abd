from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from copydesk.data.raw import newest_file, read_facts, write_raw
from copydesk.errors import CopydeskError, SourceError, UsageError

FRAME = pl.DataFrame({"text": ["a", "b"]})


def test_a_raw_table_is_a_parquet_file_that_says_how_it_came_to_be(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "news-1.parquet"
    write_raw(path, FRAME, {"made_by": "collect", "recipe": "nyår"})
    assert pl.read_parquet(path).equals(FRAME)
    assert read_facts(path) == {"made_by": "collect", "recipe": "nyår"}
    assert [file.name for file in path.parent.iterdir()] == ["news-1.parquet"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_raw(tmp_path / "a.parquet", FRAME, {})
    with pytest.raises(UsageError, match="exists already"):
        write_raw(tmp_path / "a.parquet", FRAME, {})


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CopydeskError, match="cannot be written"):
        write_raw(tmp_path / "file" / "a.parquet", FRAME, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_parquet_file_of_another_origin_says_nothing_and_another_file_is_refused(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    assert read_facts(tmp_path / "a.parquet") == {}
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(SourceError, match="b.parquet' cannot be read as a raw table"):
        read_facts(tmp_path / "b.parquet")


def test_the_newest_file_is_that_with_the_highest_number(tmp_path: Path) -> None:
    assert newest_file(tmp_path, "news") is None
    for name in ("news-1.parquet", "news-2.parquet", "news-10.parquet", "news-other-99.parquet"):
        (tmp_path / name).touch()
    assert newest_file(tmp_path, "news") == tmp_path / "news-10.parquet"
