"""JSON Lines of any size: once through the file for the columns' types, then batches that all have them.

Unlike `read_jsonl` it refuses no value: what cannot stand in one column with the others is kept as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.batches import Bounds
from copydesk.data.jsonl import Row, frame_of, jsonl_batches

_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Columns:
    """The columns seen so far: their types, and which are `mixed` and kept as JSON text."""

    def __init__(self, text: Collection[str]) -> None:
        self._text = text
        self._types: dict[str, pl.DataType] = {}
        self.mixed: set[str] = set()
        self.rows = 0

    @property
    def schema(self) -> pl.Schema:
        """The columns' types, texts and mixed columns as strings."""
        types = {name: kind if _storable(kind) else pl.String() for name, kind in self._types.items()}
        return pl.Schema(types | dict.fromkeys([*self.mixed, *self._text_there()], pl.String()))

    def _text_there(self) -> list[str]:
        return [name for name in self._text if name in self._types]

    def json_columns(self) -> frozenset[str]:
        """Return which columns hold, among their values, JSON text."""
        unstorable = {name for name, kind in self._types.items() if not _storable(kind)}
        return frozenset(self.mixed | unstorable | set(self._text_there()))

    def see(self, rows: list[Row]) -> None:
        """Take note of a batch."""
        self.rows += len(rows)
        as_json(rows, self.mixed.union(self._text))
        try:
            frame = frame_of(rows)
        except pl.exceptions.PolarsError:
            self._part(rows)
            frame = frame_of(rows)
        for name, kind in frame.schema.items():
            self._unite(name, kind)

    def _part(self, rows: list[Row]) -> None:
        """Find the columns whose values cannot stand together."""
        for name in dict.fromkeys(name for row in rows for name in row):
            try:
                frame_of([{name: row.get(name)} for row in rows])
            except pl.exceptions.PolarsError:
                self.mixed.add(name)
        as_json(rows, self.mixed)

    def _unite(self, name: str, kind: pl.DataType) -> None:
        known = self._types.setdefault(name, kind)
        if kind in (known, pl.Null) or name in self.mixed:
            return
        both = [pl.DataFrame(schema={name: one}) for one in (known, kind)]
        try:
            united = pl.concat(both, how="vertical_relaxed").schema[name]
        except pl.exceptions.PolarsError:
            united = pl.String()
        if known != pl.Null and united == pl.String and (known.is_nested() or kind.is_nested()):
            self.mixed.add(name)
        self._types[name] = united


def as_json(rows: list[Row], columns: Collection[str]) -> None:
    """Write what is no text in these columns as JSON, in place."""
    for name in columns:
        for row in rows:
            value = row.get(name)
            if value is not None and not isinstance(value, str):
                row[name] = json.dumps(value, ensure_ascii=False)


def no_texts(rows: list[Row], columns: Collection[str]) -> dict[int, str]:
    """Return the places of rows that hold something else than text in one of the columns, with what it is."""
    found: dict[int, str] = {}
    for name in columns:
        for place, row in enumerate(rows):
            value = row.get(name)
            if value is not None and not isinstance(value, str):
                found.setdefault(place, _KINDS.get(type(value), type(value).__name__))
    return found


def survey_jsonl(
    path: Path, url: str, text: Collection[str], bounds: Bounds, advance: Callable[[int], None]
) -> Columns:
    """Read the whole file for its columns; `advance` is told how many rows. Raises `SourceError` with the line."""
    columns = Columns(text)
    for rows in jsonl_batches(path, url, bounds):
        columns.see(rows)
        advance(len(rows))
    return columns


def stream_jsonl(
    path: Path, url: str, text: Collection[str], columns: tuple[pl.Schema, Collection[str]], bounds: Bounds
) -> Iterator[tuple[pl.DataFrame, dict[int, str]]]:
    """Yield batches with the surveyed columns, and which of their rows hold no text."""
    schema, mixed = columns
    for rows in jsonl_batches(path, url, bounds):
        odd = no_texts(rows, text)
        as_json(rows, mixed)
        yield frame_of(rows, schema), odd


def _storable(kind: Any) -> bool:  # noqa: ANN401 (a Polars type or its class)
    """Tell whether Parquet has the type: not integers beyond 64 bits, not objects without keys."""
    if isinstance(kind, pl.List | pl.Array):
        return _storable(kind.inner)
    if isinstance(kind, pl.Struct):
        return bool(kind.fields) and all(_storable(field.dtype) for field in kind.fields)
    return kind not in (pl.Int128, pl.UInt128, pl.Object)
