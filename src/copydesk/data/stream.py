"""Files of any size as batches of Arrow, none of them ever whole in memory.

`survey` reads a file once to its end before any work on it begins: what is wrong in the last line is said in the first
minute. CSV and lines hold text alone; Parquet keeps its types; of JSON Lines see `jsonl_stream.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from copydesk.data.batches import Bounds
from copydesk.data.delimited import Delimited, delimited_batches, separator_of
from copydesk.data.jsonl_stream import stream_jsonl, survey_jsonl
from copydesk.data.sources import format_of, line_batches
from copydesk.errors import SourceError
from copydesk.files import sha256_of

BATCH = Bounds(rows=4_096, characters=1 << 22)
"""A batch is scored at once; an interrupted run loses one."""
_BUFFER_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Batch:
    """Some rows; `odd` are the places of those that hold something else than text where there should be text."""

    table: pa.Table
    odd: Mapping[int, str] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> Batch:
        """Return the rows from `start` to `stop` (exclusive)."""
        odd = {place - start: what for place, what in self.odd.items() if start <= place < stop}
        return Batch(self.table.slice(start, stop - start), odd)


@dataclass(frozen=True)
class Surveyed:
    """What is in a file: the SHA-256 of its bytes, rows, columns. `json` are columns with JSON among their texts."""

    url: str
    kind: str
    bytes: int
    sha256: str
    rows: int
    schema: pa.Schema
    json: frozenset[str] = frozenset()


def survey(path: Path, url: str, text: Sequence[str], advance: Callable[[int], None]) -> Surveyed:
    """Read a file to its end; `text` are the columns that texts are in, `advance` is told how many rows were seen.

    Raises `SourceError` naming the line where a file is damaged.
    """
    kind = format_of(url)
    facts = {"url": url, "kind": kind, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if kind == "jsonl":
        seen = survey_jsonl(path, url, text, BATCH, advance)
        schema = _arrow(pl.DataFrame(schema=seen.schema)).schema
        return Surveyed(**facts, rows=seen.rows, schema=schema, json=seen.json_columns())  # type: ignore[arg-type]
    if kind == "parquet":
        with _open_parquet(path, url) as file:
            advance(file.metadata.num_rows)
            return Surveyed(**facts, rows=file.metadata.num_rows, schema=file.schema_arrow.remove_metadata())  # type: ignore[arg-type]
    rows, schema = 0, pa.schema([("text", pa.large_string())])
    for frame in _text_frames(kind, path, url):
        rows, schema = rows + frame.height, _arrow(frame).schema
        advance(frame.height)
    return Surveyed(**facts, rows=rows, schema=schema)  # type: ignore[arg-type]


def stream(file: Surveyed, path: Path, text: Sequence[str], *, start: int = 0) -> Iterator[Batch]:
    """Yield the rows of a surveyed file from number `start` (from 0) on."""
    if file.kind == "parquet":
        yield from _parquet(path, file.url, text, start)
        return
    done = 0
    for batch in _batches(file, path, text):
        height = batch.table.num_rows
        if done + height > start:
            yield batch.part(max(start - done, 0), height)
        done += height


def _batches(file: Surveyed, path: Path, text: Sequence[str]) -> Iterator[Batch]:
    if file.kind == "jsonl":
        columns = pl.Schema(pl.DataFrame(file.schema.empty_table()).schema)
        for frame, odd in stream_jsonl(path, file.url, text, (columns, file.json), BATCH):
            yield Batch(_arrow(frame), odd)
        return
    for frame in _text_frames(file.kind, path, file.url):
        yield Batch(_arrow(frame))


def _text_frames(kind: str, path: Path, url: str) -> Iterator[pl.DataFrame]:
    """Yield frames of texts, of delimited files as `sources.py` reads them: quotes count in CSV, not in TSV."""
    if kind == "lines":
        yield from line_batches(path, url, BATCH)
        return
    separator = separator_of(path, url, "auto") if kind == "csv" else "\t"
    yield from delimited_batches(Delimited(path, url, separator, quoting=kind == "csv"), BATCH)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _open_parquet(path: Path, url: str) -> pq.ParquetFile:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    if packed:
        raise SourceError(f"'{url}' is Parquet packed by gzip, which is read only as a whole. Unpack it: gunzip FILE.")
    try:
        file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"'{url}' cannot be read as parquet: {error}. If it was cut short, copy or download it again."
        ) from error
    names = file.schema_arrow.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"'{url}' has several columns called {twice[0]!r}. Rename all but one.")
    return file


def _parquet(path: Path, url: str, text: Sequence[str], start: int) -> Iterator[Batch]:
    """Yield the rows from `start` on, without reading the row groups before it."""
    with _open_parquet(path, url) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        first = 0
        while first < len(groups) and start >= groups[first].num_rows:
            start -= groups[first].num_rows
            first += 1
        rows = sum(group.num_rows for group in groups) or 1
        row_bytes = max(sum(group.total_byte_size for group in groups) // rows, 1)
        most = max(min(BATCH.rows, BATCH.characters // row_bytes), 1)
        try:
            for batch in file.iter_batches(most, row_groups=range(first, len(groups))):
                if batch.num_rows > start:
                    yield _decoded(pa.Table.from_batches([batch.slice(start)]), text)
                start = max(start - batch.num_rows, 0)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"'{url}' cannot be read as parquet: {error}. Copy or download it again.") from error


def _decoded(table: pa.Table, text: Sequence[str]) -> Batch:
    """Return the rows, with bytes among the texts that are no UTF-8 replaced by U+FFFD and noted."""
    odd: dict[int, str] = {}
    for name in set(text).intersection(table.schema.names):
        try:
            table[name].validate(full=True)
        except pa.ArrowInvalid:
            kind = table.schema.field(name).type
            raw = table[name].cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
            texts = [None if value is None else value.decode(errors="replace") for value in raw]
            odd |= {
                place: "bytes that are not UTF-8" for place, value in enumerate(raw) if value != _bytes(texts[place])
            }
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(texts).cast(kind))
    return Batch(table, odd)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
