import csv
from pathlib import Path

import polars as pl
import pytest

from copydesk.data import delimited
from copydesk.data.batches import Bounds
from copydesk.data.sources import read_sources
from copydesk.errors import SourceError
from copydesk.recipe import SourceFile

QUOTING_OFF = r"set `quoting: false` in the recipe's source"


def _read(path: Path, content: str, **options: object) -> pl.DataFrame:
    path.write_bytes(content.encode())
    source = SourceFile.model_validate({"url": str(path), **options})
    return read_sources([source]).frame.drop("_source", "_row")


def test_an_empty_field_is_null_and_a_blank_line_is_no_row(tmp_path: Path) -> None:
    frame = _read(tmp_path / "a.csv", '\ntext,label\n\n"",x\n,y\na,\n\n')
    assert frame.rows() == [(None, "x"), (None, "y"), ("a", None)]


def test_all_line_ends_are_read(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        assert _read(tmp_path / "a.csv", end.join(["text,label", "a,b", ""])).rows() == [("a", "b")]
    assert _read(tmp_path / "a.tsv", "text\tlabel\r\na\tb\r\n").rows() == [("a", "b")]


def test_a_quote_inside_a_field_that_has_none_around_it_is_a_letter(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.csv", 'text,label\n5" disks are "in",1\n').rows() == [('5" disks are "in"', "1")]


def test_with_quoting_off_every_quote_is_a_letter(tmp_path: Path) -> None:
    frame = _read(tmp_path / "a.csv", 'text,label\n"He said "no",1\n', quoting=False)
    assert frame.rows() == [('"He said "no"', "1")]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_csv_without_commas_in_its_header_is_parted_by_what_it_has(tmp_path: Path, sign: str) -> None:
    assert _read(tmp_path / "a.csv", f'text{sign}label\none, two{sign}x\n"a{sign}b"{sign}y\n').rows() == [
        ("one, two", "x"),
        (f"a{sign}b", "y"),
    ]


def test_columns_without_a_name_are_called_by_their_place(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.csv", "text,,\n1,2,3\n").columns == ["text", "column_2", "column_3"]


def test_a_text_of_any_length_is_read_and_the_limit_of_the_csv_module_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    assert _read(tmp_path / "a.csv", f"text\n{'x' * 1_000_000}\n")["text"].str.len_bytes().to_list() == [1_000_000]
    assert csv.field_size_limit() == before


def test_batches_are_stacked_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BATCH", Bounds(3))
    rows = [(str(number), f"line {number}\nof two") for number in range(10)]
    content = "id,text\n" + "".join(f'{id_},"{text}"\n' for id_, text in rows)
    assert _read(tmp_path / "a.csv", content).rows() == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,b\none, two,c\n", rf"its header \(2: text, label\): line 3 \(3\)\. .*{QUOTING_OFF}"),
        ("a.csv", "text,label\na\nb,c\n", r"line 2 \(1\)"),
        ("a.csv", 'text,label\n"a\nb",c\nd\n', r"line 4 \(1\)"),
        ("a.csv", 'text,label\n"a\nb"\nc,d\n', r"lines 2 to 3 \(1\)"),
        ("a.csv", "text,label\na\n" + "b,c,d\n" * 1_500, r"line 2 \(1\), line 3 \(3\), line 4 \(3\) and 1,498 more"),
        ("a.csv", "text,label\na\rb,1\n", r"line 2 \(1\)"),
        ("a.tsv", "text\tlabel\na\tb\tc\n", r"line 2 \(3\)\. No text may hold a tab or a line break"),
        ("a.csv", 'text,label\nx,y\n"abc"d,1\n', rf"line 3: stray double quote.*{QUOTING_OFF}"),
        ("a.csv", 'text,label\n"He said "no" to me",1\n', "line 2: stray double quote"),
        ("a.csv", 'text,label\nx,1\n"abc,1\nx,2\n', "lines 3 to 4: a double quote opened in line 3 is never closed"),
        ("a.csv", '"text,label\nx,1\n', "a double quote opened in line 1 is never closed"),
        ("a.csv", "text,label,text\na,b,c\n", "several columns called 'text' in its header. Rename all but one"),
        ("a.csv", "text,label\n", r"has no rows \(its columns: text, label\)"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv", "<!DOCTYPE html>\n<html>", "is a web page, not a file of data"),
    ],
)
def test_what_cannot_be_read_without_loss_is_refused_with_its_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        _read(tmp_path / name, content)
