import json
from pathlib import Path

import polars as pl
import pytest

from copydesk.data import jsonl
from copydesk.data.batches import Bounds
from copydesk.data.jsonl import read_jsonl
from copydesk.errors import SourceError


def _read(path: Path, *lines: str) -> pl.DataFrame:
    path.write_text("\n".join(lines), "utf-8")
    return read_jsonl(path, "a.jsonl", encoding="auto")


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, "x", 3],
        [1, 2.5, 3, 4],
        [1.0, 2.5, "x", 100_000.0],
        [True, False, "x", True],
        [True, 1, 2, 3],
        [[1], ["x"], [2.0], None],
        [[], None, ["x"], []],
        [None, None, None, {"a": 1}],
        [{"a": 1}, {"b": 2}, {"a": "x"}, {}],
        [[{"a": 1}], [{"a": 0.5, "b": "x"}], [], None],
        [10**20, 1, 2, 3],
    ],
)
def test_batches_become_what_all_rows_at_once_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[object]
) -> None:
    rows = [{"value": value} for value in values]
    monkeypatch.setattr(jsonl, "_BATCH", Bounds(1))
    frame = _read(tmp_path / "a.jsonl", *map(json.dumps, rows))
    expected = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    assert frame.schema == expected.schema
    assert frame.rows() == expected.rows()


def test_an_integer_that_no_column_holds_is_kept_as_text(tmp_path: Path) -> None:
    long, longest = "9" * 40, "9" * 5_000
    frame = _read(tmp_path / "a.jsonl", f'{{"id": {long}}}', '{"id": 7}', f'{{"id": {longest}}}')
    assert frame["id"].to_list() == [long, "7", longest]


def test_keys_that_only_some_batches_have_are_null_in_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_BATCH", Bounds(1))
    frame = _read(tmp_path / "a.jsonl", '{"a": 1}', '{"b": "x"}', '{"c": null, "a": 2}')
    assert frame.columns == ["a", "b", "c"]
    assert frame.rows() == [(1, None, None), (None, "x", None), (2, None, None)]


def test_half_of_a_character_at_the_end_of_a_cut_text_is_replaced(tmp_path: Path) -> None:
    frame = _read(tmp_path / "a.jsonl", r'{"text": "so good \ud83d", "tags": ["\ude00"]}', r'{"text": "\ud83d\ude00"}')
    assert frame["text"].to_list() == ["so good \ufffd", "😀"]
    assert frame["tags"].to_list() == [["\ufffd"], None]


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.jsonl", '{"text": "one\u2028two\x85three"}')["text"].to_list() == [
        "one\u2028two\x85three"
    ]
    (tmp_path / "windows.jsonl").write_bytes(b'{"text": "a"}\r\n\r\n{"text": "b"}\r\n')
    assert read_jsonl(tmp_path / "windows.jsonl", "windows.jsonl", encoding="auto")["text"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', "", '{"a": '], r"line 3 is not JSON: Expecting value at character 6"),
        (['{"a": "cut'], r"line 1 is not JSON: Unterminated string starting at character 7"),
        (["[", '{"a": 1},', "]"], r"line 1 is not JSON.*Is the file one JSON array\? Make lines of it: jq"),
        (['[{"a": 1}]'], r"line 1 holds list, not an object like .*jq"),
        (['{"a": 1}', "null"], "line 2 holds NoneType"),
        (['{"a": ' + "[" * 100_000], "line 1 .* nested too deeply"),
        (['{"a": 1}', '{"b": 1}', '{"a": [1]}'], "line 3: 'a' holds a list, but one value in line 1"),
        (
            ['{"a": {"b": 1}}', '{"a": "x"}'],
            "line 2: 'a' holds one value, but an object in line 1. Write all rows alike",
        ),
    ],
)
@pytest.mark.parametrize("batch", [1, 1_000])
def test_a_bad_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], message: str, batch: int
) -> None:
    monkeypatch.setattr(jsonl, "_BATCH", Bounds(batch))
    with pytest.raises(SourceError, match=message):
        _read(tmp_path / "a.jsonl", *lines)
