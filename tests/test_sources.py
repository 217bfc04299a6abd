import gzip
from pathlib import Path

import polars as pl
import pytest

from copydesk.data.sources import format_of, read_sources, source_of_path
from copydesk.errors import SourceError, UsageError
from copydesk.files import sha256_of
from copydesk.recipe import SourceFile


def _read(path: Path, **options: object) -> pl.DataFrame:
    source = SourceFile.model_validate({"url": str(path), **options})
    return read_sources([source], label_column="label").frame


def test_a_csv_is_read_as_text_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"one, ""two""\nthree",1\n007,0\n')
    frame = _read(tmp_path / "a.csv")
    assert frame["text"].to_list() == ['one, "two"\nthree', "007"]
    assert frame["label"].to_list() == ["1", "0"]


def test_a_tsv_keeps_stray_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('Review\tLiked\n"great" they said\t1\nhe said "no\t0\n')
    assert _read(tmp_path / "a.tsv")["Review"].to_list() == ['"great" they said', 'he said "no']


def test_quoting_can_be_switched_on_for_a_tsv(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"one\ttwo"\t1\n')
    assert _read(tmp_path / "a.tsv", quoting=True)["text"].to_list() == ["one\ttwo"]


def test_jsonl_rows_may_have_different_keys(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 1}\n\n{"text": "b", "other": null}\n')
    frame = _read(tmp_path / "a.jsonl")
    assert frame["label"].to_list() == [1, None]


def test_nan_in_jsonl_is_a_missing_value_and_json_lines_may_be_called_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "a", "label": ["x"]}\n{"text": "b", "label": NaN}\n')
    assert _read(tmp_path / "a.json")["label"].to_list() == [["x"], None]


def test_parquet_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"], "label": [3]}).write_parquet(tmp_path / "a.parquet")
    assert _read(tmp_path / "a.parquet")["label"].to_list() == [3]


def test_one_text_per_line_gets_the_sources_label(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first\n\n  second  \r\n")
    frame = _read(tmp_path / "a.txt", label="news")
    assert frame.select("text", "label", "_row").rows() == [("first", "news", 1), ("second", "news", 2)]


def test_gzip_is_unpacked_whatever_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text,label\nx,y\n"))
    (tmp_path / "b.csv").write_bytes(gzip.compress(b"text,label\nx,y\n"))
    assert _read(tmp_path / "a.csv.gz")["text"].to_list() == _read(tmp_path / "b.csv")["text"].to_list() == ["x"]


def test_a_byte_order_mark_is_no_part_of_a_column_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,label\nx,y\n")
    assert _read(tmp_path / "a.csv").columns[:2] == ["text", "label"]


def test_several_files_are_stacked_with_their_provenance(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.txt").write_text("two\nthree\n")
    sources = [SourceFile(url=str(tmp_path / f"{name}.txt"), label=name) for name in "ab"]
    table = read_sources(sources, label_column="label")
    assert table.frame.select("label", "_source", "_row").rows() == [
        ("a", "a.txt", 1),
        ("b", "b.txt", 1),
        ("b", "b.txt", 2),
    ]
    assert [file["sha256"] for file in table.files] == [sha256_of(tmp_path / "a.txt"), sha256_of(tmp_path / "b.txt")]


def test_a_collected_table_keeps_the_provenance_it_brings_along(tmp_path: Path) -> None:
    collected = pl.DataFrame({"text": ["a", "b"], "_source": ["one.csv", "gdelt: storm"], "_row": [7, 1]})
    collected.write_parquet(tmp_path / "raw.parquet")
    assert _read(tmp_path / "raw.parquet").select("_source", "_row").rows() == [("one.csv", 7), ("gdelt: storm", 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\ncaf\xe9,1\n", "not UTF-8: byte 0xe9 in line 2"),
        (
            "a.csv",
            b"text,label\na,b,c,d\n",
            r"another number of fields than its header \(2: text, label\): line 2 \(4\)",
        ),
        ("a.csv", b"", "is empty"),
        ("a.csv.gz", gzip.compress(b"text,label\n" * 1000, mtime=0)[:-20], "damaged or truncated gzip"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "line 1 holds list, not an object"),
        ("a.parquet", b"PAR1 but not really", "cannot be read as parquet"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{name}.*{message}"):
        _read(tmp_path / name)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"] * 1000}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-30])
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        _read(tmp_path / "a.parquet")


def test_a_local_file_is_held_to_its_pinned_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(SourceError, match="but the recipe pins 000"):
        _read(tmp_path / "a.txt", sha256="0" * 64)


def test_a_path_given_by_hand_must_exist_and_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        source_of_path(tmp_path / "missing.csv")
    with pytest.raises(UsageError, match="is a folder without a Dataset"):
        source_of_path(tmp_path)


def test_an_unknown_ending_asks_for_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(UsageError, match="cannot be told from its name"):
        _read(tmp_path / "a.xyz")
    assert _read(tmp_path / "a.xyz", format="lines")["text"].to_list() == ["x"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("kaggle://owner/name/rows.csv@3", "csv"),
        ("s3://bucket/rows.jsonl.gz?versionId=a.b/c", "jsonl"),
        ("gs://bucket/rows.TSV#17", "tsv"),
        ("hf://datasets/owner/name@main/rows.parquet", "parquet"),
        ("https://host/rows.txt?raw=true", "lines"),
        ("folder/rows #3?.csv", "csv"),
    ],
)
def test_the_format_goes_by_the_files_name_without_its_revision(url: str, kind: str) -> None:
    assert format_of(url) == kind


def test_a_source_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        _read(tmp_path / "gone.csv")
