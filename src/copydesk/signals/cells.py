"""Rows to sums by place, window and category: all that a sheet is made from, and small whatever the rows.

Sums of several parts of the rows are put one under the other; no window may lie in two parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

_CELL = ("place", "start", "category")


@dataclass(frozen=True)
class Sums:
    """What rows add up to.

    `cells` has by place, window and category `stories`, `impact` (the sum of their scores), `squares`, `texts`,
    `outlets`, `tag` and `tag_share`; `windows` by place and window `window_texts` and `window_stories`, of every text.
    `odd` counts scores that are no number.
    """

    cells: pl.DataFrame
    windows: pl.DataFrame
    odd: int = 0


def sums_of(rows: pl.DataFrame, categories: Sequence[str]) -> Sums:
    """Sum rows (with `start`, `story` and `weight`); of other categories than these nothing is counted.

    Scores are cut to -1 and 1; every sum is over stories, so a copy adds to none but `texts` and `outlets`.
    """
    windows = rows.group_by("place", "start").agg(
        window_texts=pl.len().cast(pl.Int64), window_stories=pl.col("story").n_unique().cast(pl.Int64)
    )
    listed = rows.select("place", "start", "outlet", "weight", "signals").explode("signals").drop_nulls("signals")
    signals = listed.unnest("signals").filter(pl.col("category").is_in(list(categories)))
    sound = signals.filter(pl.col("score").is_finite()).with_columns(pl.col("score").clip(-1, 1))
    weight, score = pl.col("weight"), pl.col("score")
    cells = sound.group_by(_CELL).agg(
        stories=weight.sum(),
        impact=(weight * score).sum(),
        squares=(weight * score * score).sum(),
        texts=pl.len().cast(pl.Int64),
        outlets=pl.col("outlet").drop_nulls().n_unique().cast(pl.Int64),
    )
    cells = cells.join(_tags(sound), on=_CELL, how="left")
    return Sums(
        cells.with_columns(tag_share=pl.col("tag_share") / pl.col("stories")), windows, signals.height - sound.height
    )


def together(parts: Sequence[Sums]) -> Sums:
    """Return the sums of all parts."""
    cells = pl.concat([part.cells for part in parts])
    return Sums(cells, pl.concat([part.windows for part in parts]), sum(part.odd for part in parts))


def _tags(signals: pl.DataFrame) -> pl.DataFrame:
    """Return each cell's commonest tag by stories, and how many have it; of equals the one with the stronger scores.

    The empty tag is one only where there is no other. What is still equal goes by the alphabet.
    """
    weight = pl.col("weight")
    tags = signals.group_by(*_CELL, "tag").agg(tag_share=weight.sum(), strength=(weight * pl.col("score").abs()).sum())
    ordered = tags.with_columns(
        named=pl.col("tag") != "", tag_share=pl.col("tag_share").round(9), strength=pl.col("strength").round(9)
    ).sort("named", "tag_share", "strength", "tag", descending=[True, True, True, False])
    return ordered.unique(_CELL, keep="first", maintain_order=True).select(*_CELL, "tag", "tag_share")
