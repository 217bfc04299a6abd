"""The headlines that made a cell: its stories, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.signals.stories import with_weights

MOST = 3
_CELL = ["place", "start", "category"]


@dataclass(frozen=True)
class Headline:
    """A story by the title of the first of its texts; `texts` of it were found, by `sources` (0: unknown)."""

    text: str
    score: float
    tag: str
    texts: int
    sources: int


def headlines_of(rows: pl.LazyFrame, cells: pl.DataFrame, most: int = MOST) -> list[list[Headline]]:
    """Return the strongest stories of each cell (`place`, `start`, `category`), in the order of the cells.

    `rows` are those of `signals.rows` with `start` and `day`; whole days are looked at, as stories are told apart in
    these. A log that keeps no texts has none to show.
    """
    windows = cells.select("place", "start").unique()
    some = rows.filter(pl.col("start").is_in(windows["start"].implode())).select(day=pl.col("day").unique())
    found = with_weights(rows.join(some, on="day", how="semi").collect(engine="streaming"))
    listed = (
        found.join(windows, on=["place", "start"], how="semi")
        .explode("signals")
        .drop_nulls("signals")
        .unnest("signals")
    )
    told = listed.filter(pl.col("score").is_finite() & (pl.col("text").fill_null("").str.len_chars() > 0))
    stories = (
        told.sort("at", "text")
        .group_by(*_CELL, "story", maintain_order=True)
        .agg(
            pl.col("text").first().str.strip_chars(COLUMN_SEPARATOR).str.split(COLUMN_SEPARATOR).list.first(),
            pl.col("score").mean().clip(-1, 1),
            pl.col("tag").mode(maintain_order=True).first(),
            texts=pl.len(),
            sources=pl.col("outlet").drop_nulls().n_unique(),
        )
    )
    ordered = stories.sort(pl.col("score").abs(), "texts", "text", descending=[True, True, False])
    by_cell = ordered.partition_by(_CELL, as_dict=True)
    columns = ["text", "score", "tag", "texts", "sources"]
    return [
        [Headline(*row) for row in by_cell[cell].head(most).select(columns).iter_rows()] if cell in by_cell else []
        for cell in cells.select(_CELL).iter_rows()
    ]
