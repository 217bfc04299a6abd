"""Answered texts of any origin as rows of one form: `at`, `place`, `outlet`, `text`, `key`, `signals`.

`at` is UTC and null where it cannot be read; `key` is what copies of a text share; `signals` are the categories
that are present, null for a text without an answer. Lazy: a table of any size goes through in parts.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from copydesk.data.split import moment_of
from copydesk.errors import DataError
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.signals.columns import Columns

UNKNOWN, OTHER, EVERYWHERE = "(unknown)", "(other)", "(all)"
"""The place of texts whose place is empty, of those in rare places, and of all where there is no column of places."""
_UTC = pl.Datetime("us", "UTC")
_SIGNAL = pl.Struct({"category": pl.String(), "score": pl.Float64(), "tag": pl.String()})


def rows_of_table(table: pl.LazyFrame, columns: Columns) -> pl.LazyFrame:
    """Return the rows of a scored table."""
    signal = pl.element().struct
    present = pl.element().filter(signal.field("present"))
    kept = pl.struct(
        signal.field("category").cast(pl.String),
        signal.field("score").cast(pl.Float64).alias("score"),
        signal.field("tag").cast(pl.String),
    )
    text = pl.concat_str([pl.col(name).fill_null("") for name in columns.text], separator=COLUMN_SEPARATOR)
    return table.select(
        at=_moments(table, columns.time),
        place=_named(columns.place, UNKNOWN) if columns.place else pl.lit(EVERYWHERE),
        outlet=_named(columns.outlet, None) if columns.outlet else pl.lit(None, pl.String),
        text=text if columns.text else pl.lit(None, pl.String),
        signals=pl.col(columns.signals).list.eval(present).list.eval(kept),
    ).with_columns(key=pl.col("text").str.to_lowercase() if columns.text else pl.lit(None, pl.String))


def rows_of_log(log: pl.LazyFrame, *, place: str = EVERYWHERE) -> pl.LazyFrame:
    """Return the rows of a prediction log, those that users were given; they are of one place."""
    names = log.collect_schema().names()
    given = log.filter(NOT_SHADOW) if "source" in names else log
    parts = ("labels", "scores", "tags")
    signals = given.with_row_index("row").select("row", "at", "text", "text_hash", *parts)
    present = pl.struct(category="labels", score=pl.col("scores").cast(pl.Float64), tag="tags")
    listed = signals.select("row", *parts).explode(*parts, empty_as_null=False).group_by("row").agg(signals=present)
    return signals.join(listed, on="row", how="left").select(
        "at",
        place=pl.lit(place),
        outlet=pl.lit(None, pl.String),
        text="text",
        signals=pl.col("signals").fill_null([]),
        key="text_hash",
    )


def _named(column: str, otherwise: str | None) -> pl.Expr:
    """Return a column as text without outer spaces; what is empty is called otherwise."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text.str.len_chars() > 0).then(text).otherwise(pl.lit(otherwise, pl.String))


def _moments(table: pl.LazyFrame, column: str) -> pl.Expr:
    """Return a column as times in UTC; what has no zone is UTC. Raises `DataError` for a column of something else."""
    kind = table.collect_schema()[column]
    at = pl.col(column)
    if isinstance(kind, pl.Datetime):
        return (at.dt.convert_time_zone("UTC") if kind.time_zone else at.dt.replace_time_zone("UTC")).cast(_UTC)
    if kind == pl.Date:
        return at.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if kind in (pl.String, pl.Null):
        return at.cast(pl.String).map_batches(_read, return_dtype=_UTC)
    raise DataError(f"Column {column!r} holds {kind}, not times. Name the column of the times with --time.")


def _read(texts: pl.Series) -> pl.Series:
    """Return texts as times: ISO 8601, GDELT's `20260331T081500Z` among it; null where one cannot be read."""
    different = texts.drop_nulls().unique().to_list()
    return texts.replace_strict(
        different, pl.Series([_moment(text) for text in different], dtype=_UTC), default=None, return_dtype=_UTC
    )


def _moment(text: str) -> datetime | None:
    try:
        return moment_of(text, "", "").astimezone(UTC)
    except (DataError, OverflowError):
        return None
