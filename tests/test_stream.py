from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copydesk.data import stream as streaming
from copydesk.data.batches import Bounds, bounded
from copydesk.data.sources import read_sources, source_of_path
from copydesk.data.stream import Batch, stream, survey
from copydesk.errors import SourceError

ROWS = [{"text": f"text {place}", "number": place} for place in range(10)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BATCH", Bounds(3))


def _write(path: Path, rows: Sequence[dict[str, Any]] = ROWS) -> Path:
    frame = pl.DataFrame(rows)
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case ".parquet":
            frame.write_parquet(path, row_group_size=4)
        case ".txt":
            path.write_text("\n".join(row["text"] for row in rows))
        case _:
            path.write_text("\n".join(map(json.dumps, rows)))
    return path


def _read(path: Path, start: int = 0, text: Sequence[str] = ("text",)) -> tuple[list[Batch], pa.Table]:
    found = survey(path, str(path), text, lambda rows: None)
    batches = list(stream(found, path, text, start=start))
    return batches, pa.concat_tables([found.schema.empty_table(), *(batch.table for batch in batches)])


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt"])
@pytest.mark.parametrize("start", [0, 1, 3, 5, 8, 9, 10])
def test_every_kind_is_read_from_any_row_on_as_it_is_read_at_once(tmp_path: Path, name: str, start: int) -> None:
    path = _write(tmp_path / name)
    batches, table = _read(path, start)
    whole = read_sources([source_of_path(path)]).frame.drop("_source", "_row")
    assert table.to_pylist() == whole[start:].to_dicts()
    assert all(0 < batch.table.num_rows <= 3 for batch in batches)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt"])
def test_a_survey_knows_rows_and_columns_and_tells_how_far_it_is(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name)
    told: list[int] = []
    found = survey(path, str(path), ("text",), told.append)
    assert (found.rows, sum(told), found.bytes) == (10, 10, path.stat().st_size)
    assert found.schema.equals(_read(path)[1].schema)


def test_what_is_wrong_in_the_last_line_is_found_by_the_survey(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n' * 9 + "{")
    with pytest.raises(SourceError, match="line 10 is not JSON"):
        survey(tmp_path / "a.jsonl", "a.jsonl", ("text",), lambda rows: None)
    (tmp_path / "a.csv").write_text("a,b\n" * 9 + "a\n")
    with pytest.raises(SourceError, match=r"line 10 \(1\)"):
        survey(tmp_path / "a.csv", "a.csv", ("text",), lambda rows: None)


@pytest.mark.parametrize(
    "values",
    [
        [1, "x", 2.5, None],
        ["x", ["y"], {"a": 1}, None],
        [["x"], "y", None, 3],
        [{"a": 1}, {"b": "x"}, {}, None],
        [[1], [["x"]], None, [{}]],
        [{}, {}, None, {}],
        [10**25, 1, None, 2],
    ],
)
def test_no_value_of_json_lines_is_refused_or_lost(tmp_path: Path, values: list[Any]) -> None:
    _write_json = "\n".join(json.dumps({"text": "t", "value": value}) for value in values)
    (tmp_path / "a.jsonl").write_text(_write_json)
    table = _read(tmp_path / "a.jsonl")[1]
    pq.write_table(table, tmp_path / "kept.parquet")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        return [plain(item) for item in value] if isinstance(value, list) else value

    for found, value in zip(table["value"].to_pylist(), values, strict=True):
        read = json.loads(found) if isinstance(found, str) and found != value else found
        assert plain(read) == plain(value)


def test_what_is_no_text_is_noted_where_text_should_be(tmp_path: Path) -> None:
    texts = ["a", 1, None, ["b"], "c", {"d": 1}, False]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    batches, table = _read(tmp_path / "a.jsonl")
    assert [batch.odd for batch in batches] == [{1: "a number"}, {0: "a list", 2: "an object"}, {0: "true or false"}]
    assert table["text"].to_pylist() == ["a", "1", None, '["b"]', "c", '{"d": 1}', "false"]


def test_bytes_that_are_not_utf_8_are_noted_and_replaced(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"\xff", None, "ä".encode()], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    batches, table = _read(tmp_path / "a.parquet")
    assert [batch.odd for batch in batches] == [{1: "bytes that are not UTF-8"}, {}]
    assert table["text"].to_pylist() == ["a", "\ufffd", None, "ä"]


def test_a_part_of_a_batch_keeps_what_is_odd_in_its_place() -> None:
    batch = Batch(pa.table({"a": [1, 2, 3, 4]}), {0: "x", 2: "y"})
    part = batch.part(1, 3)
    assert (part.table["a"].to_pylist(), part.odd) == ([2, 3], {1: "y"})


def test_long_texts_make_small_batches() -> None:
    rows = ["x" * 10] * 1_000
    sizes = [
        len(batch) for batch in bounded(rows, Bounds(rows=500, characters=2_000), lambda some: sum(map(len, some)))
    ]
    assert sum(sizes) == 1_000 and max(sizes) == 256  # weighed 64 at a time


def test_parquet_that_cannot_be_streamed_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"\x1f\x8b rest")
    with pytest.raises(SourceError, match="packed by gzip, which is read only as a whole. Unpack it"):
        survey(tmp_path / "a.parquet", "a.parquet", ("text",), lambda rows: None)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        survey(tmp_path / "b.parquet", "b.parquet", ("text",), lambda rows: None)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "c.parquet")
    with pytest.raises(SourceError, match="several columns called 'a'"):
        survey(tmp_path / "c.parquet", "c.parquet", ("text",), lambda rows: None)
