"""JSON Lines to columns, as Polars would infer them from all rows at once, in batches.

Rows may have different keys. Numbers among texts become texts; lists among texts are refused with the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.batches import Bounds, bounded
from copydesk.data.decoding import text_lines
from copydesk.errors import SourceError

_BATCH = Bounds(rows=20_000)
_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
"""NaN is what Python writes for a missing value; a column of lists could not hold it."""

_MOST_DIGITS = 38
"""Integers with more would become null; they are names of something, and are kept as text."""

Row = dict[str, Any]


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__, parse_int=_integer)


class _Clash(Exception):
    """A column holds what cannot stand in one."""


def read_jsonl(path: Path, url: str, *, encoding: str) -> pl.DataFrame:
    """Return the rows' keys as columns. Raises `SourceError` with the line that is not a JSON object."""
    try:
        return _stacked([frame_of(rows) for rows in jsonl_batches(path, url, _BATCH, encoding=encoding)])
    except (pl.exceptions.PolarsError, _Clash) as error:
        _name_the_clash(path, url, encoding)
        raise SourceError(f"'{url}' cannot be read as jsonl: {str(error).splitlines()[0]}") from error


def jsonl_batches(path: Path, url: str, bounds: Bounds, *, encoding: str = "auto") -> Iterator[list[Row]]:
    """Yield the rows as they stand in the file. Raises `SourceError` with the line that is not a JSON object."""
    with text_lines(path, url, encoding) as lines:
        for batch in bounded(enumerate(lines, start=1), bounds, _characters):
            if rows := [row for _, row in _rows(batch, url)]:
                yield rows


def _characters(lines: list[tuple[int, str]]) -> int:
    return sum(len(line) for _, line in lines)


def _rows(lines: Iterable[tuple[int, str]], url: str) -> Iterator[tuple[int, Row]]:
    for number, line in lines:
        content = line.strip()
        if not content:
            continue
        remedy = " Is the file one JSON array? Make lines of it: jq -c '.[]' FILE > NEW." if content[0] == "[" else ""
        try:
            row = _DECODER.decode(content)
        except json.JSONDecodeError as error:
            what = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
            raise SourceError(f"'{url}' line {number} is not JSON: {what}.{remedy}") from None
        except RecursionError:
            raise SourceError(f"'{url}' line {number} is not JSON that can be read: it is nested too deeply.") from None
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise SourceError(f"'{url}' line {number} holds {kind}, not an object like {{\"text\": …}}.{remedy}")
        yield number, row


def frame_of(rows: list[Row], schema: pl.Schema | None = None) -> pl.DataFrame:
    """Return rows as columns, with the types that all of them can stand in unless a schema says which.

    Raises `pl.exceptions.PolarsError` where lists, objects and plain values stand in one column.
    """
    try:
        return pl.DataFrame(rows, schema=schema, infer_schema_length=None, strict=False)
    except UnicodeEncodeError:
        whole = [{_whole(key): _whole(value) for key, value in row.items()} for row in rows]
        return pl.DataFrame(whole, schema=schema, infer_schema_length=None, strict=False)


def _whole(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Replace halves of characters, which a cut-off text ends with: they can be stored nowhere."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Stack batches whose types may differ, each value becoming what it had become among all rows.

    Raises `_Clash` where lists, objects and plain values stand in one column.
    """
    if not frames:
        return pl.DataFrame()
    schema = pl.concat([frame.clear() for frame in frames], how="diagonal_relaxed").schema
    for name in schema:
        if len({_shape(frame.schema[name]) for frame in frames if name in frame.columns} - {"nothing"}) > 1:
            raise _Clash(name)
    return pl.concat([_as(schema, frame) for frame in frames], how="diagonal_relaxed")


def _shape(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List | pl.Array):
        return "list"
    return "nothing" if dtype == pl.Null else "object" if isinstance(dtype, pl.Struct) else "value"


def _as(schema: pl.Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Read the columns of other types again: a cast would write 1 as 1.0."""
    others = {name: schema[name] for name, dtype in frame.schema.items() if dtype not in (schema[name], pl.Null)}
    if not others:
        return frame
    return frame.with_columns(pl.DataFrame(frame.select(*others).to_dicts(), schema=others, strict=False))


def _name_the_clash(path: Path, url: str, encoding: str) -> None:
    """Read the file again for the first value of a column that cannot stand with the others."""
    first: dict[str, tuple[str, int]] = {}
    with text_lines(path, url, encoding) as lines:
        for number, row in _rows(enumerate(lines, start=1), url):
            for key, value in row.items():
                kind = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "one value"
                known, line = first.setdefault(key, (kind, number)) if value is not None else (kind, number)
                if known != kind:
                    raise SourceError(
                        f"'{url}' line {number}: {key!r} holds {kind}, but {known} in line {line}. "
                        "Write all rows alike."
                    )
