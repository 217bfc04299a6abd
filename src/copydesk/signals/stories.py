"""Copies of one story count once: what forty papers take from an agency is one event, not forty.

A text's weight is one by the number of texts of its story in the same place and window. Near-copies share most of their
character 4-grams (`data.duplicates`). It does not know that two articles in other words tell of the same event.
"""

from __future__ import annotations

import polars as pl

from copydesk.data.duplicates import find_near_duplicates

SIMILARITY = 0.65
"""From this Jaccard similarity on two texts are one story: an agency's text under another paper's name still is."""


def with_weights(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows (with `place`, `day`, `start`, `text`, `key`) with `story`, a number, and `weight`, from 0 to 1.

    Stories are told apart day by day, so they do not depend on which days come together; the numbers are a day's own.
    """
    days = rows.partition_by("day") or [rows]
    numbered = pl.concat([day.with_columns(story=_stories(day)) for day in days])
    return numbered.with_columns(weight=1 / pl.len().over("place", "start", "story"))


def _stories(rows: pl.DataFrame) -> pl.Series:
    """Return each row's story; a text that is known neither by words nor by a hash is a story of its own."""
    different = rows.select("key", "text").unique("key", maintain_order=True).filter(pl.col("key").is_not_null())
    story = pl.int_range(pl.len(), dtype=pl.Int64)
    known = different.select("key", "text", own=story)
    told = known.filter(pl.col("text").is_not_null())
    near = find_near_duplicates(told["text"].to_list(), SIMILARITY).group
    first = told.with_columns(story=told["own"].gather(near) if told.height else told["own"])
    named = known.join(first.select("key", "story"), on="key", how="left").select(
        "key", story=pl.coalesce("story", "own")
    )
    found = rows.select("key").join(named, on="key", how="left", maintain_order="left")["story"]
    return found.fill_null(-1 - pl.Series(range(len(found)), dtype=pl.Int64)) if found.null_count() else found
