"""One answered text as the prediction log keeps it, and many of them as a table.

The text itself is not kept unless the recipe allows it: what was measured of it is (`traits.py`), and its hash, by
which the same text is known again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.monitor.traits import DIMENSIONS, NUMBERS, Vocabulary, in_steps, traits_of
from copydesk.normalise import text_id

SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "id": pl.String(),
    "model": pl.String(),
    "version": pl.String(),
    "source": pl.String(),
    "text_hash": pl.String(),
    "text": pl.String(),
    "labels": pl.List(pl.String()),
    "scores": pl.List(pl.Float32()),
    "tags": pl.List(pl.String()),
    "confidence": pl.Float32(),
    "stage": pl.String(),
    "language": pl.String(),
    **{name: pl.Float32() for name in NUMBERS},
    "vector": pl.Array(pl.Int8(), DIMENSIONS),
}
"""`labels` are those that were given: one, several or none, or the categories present, with scores and `tags`.

`source` is `live`, `job` or `shadow`; a shadow's row has the id of the live answer beside which it was made. What was
measured of a text is null where it was not: that costs more than the rest, and drift is judged on samples anyway.
"""

_SAME_NAME = ("id", "model", "version", "source", "confidence", "stage")

Source = Literal["live", "job", "shadow"]
SHADOW: Source = "shadow"
NOT_SHADOW = pl.col("source") != SHADOW
"""Of the rows of a log those whose answer was given to somebody."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered text. `at` is in seconds since 1970; `confidence` from 0 to 1, that the whole answer is right."""

    at: float
    id: str
    model: str
    version: str
    text: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    confidence: float
    tags: tuple[str, ...] = ()
    stage: str = ""
    source: Source = "live"


def table_of(
    entries: Sequence[Entry],
    vocabulary: Vocabulary,
    *,
    kept: Callable[[str], str] | None,
    languages: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Return the rows of some entries, all of them measured.

    `kept` returns what is kept of a text; without it no text is. `languages` returns the languages of the first texts
    that it is willing to look at, in order; the others' are null.
    """
    texts, everywhere = [entry.text for entry in entries], np.arange(len(entries))
    found = [*(languages(texts) if languages else ())]
    columns: dict[str, Any] = {
        "at": moments([entry.at for entry in entries]),
        **{name: [getattr(entry, name) for entry in entries] for name in _SAME_NAME},
        "text_hash": [text_id(text) for text in texts],
        "labels": lists_of([label for entry in entries for label in entry.labels], [len(e.labels) for e in entries]),
        "scores": lists_of([score for entry in entries for score in entry.scores], [len(e.scores) for e in entries]),
        "tags": lists_of([tag for entry in entries for tag in entry.tags], [len(e.tags) for e in entries]),
        "language": [*found, *([None] * (len(texts) - len(found)))],
        **measured(texts, vocabulary, everywhere),
    }
    if kept:
        columns["text"] = [kept(text) for text in texts]
    return rows_of(columns)


def with_ids(rows: pl.LazyFrame, ids: pl.Series) -> pl.LazyFrame:
    """Return the rows with some ids: a filter, since a join would hold millions of ids to find these few."""
    return rows.filter(pl.col("id").is_in(ids.implode()))


def rows_of(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows of the schema: a list, array or series has a value for each, anything else is the same in all.

    Columns that are not given are null.
    """
    given = {
        name: pl.Series(values, dtype=SCHEMA[name])
        if isinstance(values, list | np.ndarray)
        else values.cast(SCHEMA[name])
        for name, values in columns.items()
        if isinstance(values, list | np.ndarray | pl.Series)
    }
    same = {name: pl.lit(columns.get(name), SCHEMA[name]) for name in SCHEMA if name not in given}
    return pl.DataFrame(given).with_columns(**same).select(*SCHEMA)


def moments(seconds: Sequence[float] | NDArray[np.floating[Any]]) -> pl.Series:
    """Return times as a column from seconds since 1970."""
    microseconds = pl.Series((np.array(seconds, np.float64) * 1e6).astype(np.int64))
    return microseconds.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def lists_of(
    values: Sequence[Any] | NDArray[Any] | pl.Series, lengths: Sequence[int] | NDArray[np.integer[Any]]
) -> pl.Series:
    """Return a column of lists from their values end to end; a list for each row would take twenty times as long."""
    flat, sizes = pl.Series("values", values), np.asarray(lengths, np.int64)
    if not len(flat):
        return pl.Series([[]], dtype=pl.List(pl.Null)).new_from_index(0, len(sizes))
    if (sizes == sizes[0]).all():
        return flat.reshape((len(sizes), int(sizes[0]))).arr.to_list()
    rows = np.arange(len(sizes))
    filled = pl.DataFrame({"row": np.repeat(rows, sizes), "values": flat}).group_by("row", maintain_order=True)
    every = pl.DataFrame({"row": rows}).join(filled.agg("values"), on="row", how="left", maintain_order="left")
    return every["values"].fill_null([])


def measured(texts: Sequence[str], vocabulary: Vocabulary, places: NDArray[np.integer[Any]]) -> dict[str, pl.Series]:
    """Return what is measured of the texts at these places, as columns of all texts; the others' values are null."""
    traits = traits_of([texts[place] for place in places], vocabulary)
    numbers = {name: traits.number(name) for name in NUMBERS}
    found = pl.DataFrame({**numbers, "vector": in_steps(traits.vectors)})
    return spread(found, places, len(texts))


def spread(found: pl.DataFrame, places: NDArray[np.integer[Any]], n: int) -> dict[str, pl.Series]:
    """Return the columns of some rows, which stand at these places of n; elsewhere is null."""
    row = np.full(n, -1)
    row[places] = np.arange(len(places))
    index = pl.Series("row", row)
    return found.select(pl.all().gather(index.set(index < 0, None).cast(pl.UInt32))).to_dict()
