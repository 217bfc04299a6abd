"""Sums to the sheet: for every place, window and category one row, with a figure or the word that nothing is known.

The signal of a cell is the sum of its stories' scores by their number and one more,

    signal = (x1 + … + xm) / (m + 1),

the mean with one further story of no impact: m / (m + 1) of the mean. One story counts half, three count three
quarters. It is drawn to 0 and to nothing else, so it keeps the sign of the mean. docs/signals-report.md says why one.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from copydesk.signals.cells import Sums
from copydesk.signals.usual import with_usual
from copydesk.signals.windows import Every
from copydesk.types import INTENSITIES, INTENSITY_FROM

QUIET_STORIES = 1.0
"""So many stories of no impact are added to every cell."""
_NORMAL_95 = 1.96
_PRIOR_FREEDOM, _PRIOR_VARIANCE = 3.0, 0.09
"""How scores of one cell scatter where few cells have two stories: a standard deviation of 0.3, worth three stories."""
COLUMNS = {
    "place": "As in the column of places; `(unknown)`: empty; `(other)`: beyond the 200 largest; `(all)`: no column.",
    "start": "When the window begins, in the time zone of the report.",
    "category": "Category of the model.",
    "signal": "Aggregated impact from -1 (bad) to 1 (good); 0: texts, but none about it; empty: no text at all.",
    "low": "Lower end of the signal's 95 % interval; empty without a story.",
    "high": "Upper end.",
    "intensity": "low, medium or high, by the bounds of a prediction; empty without a story.",
    "tag": "Commonest tag by stories.",
    "tag_share": "Share of the category's stories that have it.",
    "mean": "Mean score of the stories, before it is drawn to 0.",
    "stories": "Stories about it; copies of one are one, and count by the share of them that the model found it in.",
    "texts": "Texts about it, copies included.",
    "sources": "Different sources of these texts; empty if unknown.",
    "window_texts": "All texts of the place in the window, whatever they are about.",
    "window_stories": "All stories.",
    "usual": "Median signal at this hour of up to 14 days before (every 1d: of the days); empty with fewer than 5.",
    "over": "Whether the window was over when the report was made; until then its figures grow.",
    "change": "The signal without the usual.",
    "unusual": "How far the impact is from the usual, in standard deviations; from 3 on (either way) worth a look.",
}
"""The sheet's columns in their order, which other tools may rely on."""


def sheet_of(
    sums: Sums, windows: pl.DataFrame, *, categories: Sequence[str], places: Sequence[str], every: Every
) -> pl.DataFrame:
    """Return the sheet: every place, window and category, in this order (categories as the model has them).

    `windows` has every `start`, and whether the window is `over`; one without a text is there, and empty.
    """
    order = pl.DataFrame(
        {"category": list(categories), "number": range(len(categories))}, schema_overrides={"category": pl.String}
    )
    whole = (
        pl.DataFrame({"place": list(places)}, schema={"place": pl.String})
        .join(windows, how="cross")
        .join(order, how="cross")
    )
    counted = ("stories", "impact", "squares", "texts", "outlets", "window_texts", "window_stories")
    joined = whole.join(sums.cells, on=["place", "start", "category"], how="left").join(
        sums.windows, on=["place", "start"], how="left"
    )
    filled = joined.with_columns(pl.col(counted).fill_null(0))
    found = with_usual(_figures(filled).sort("place", "start", "number"), every)
    named = found.with_columns(sources=pl.when((pl.col("outlets") > 0) | (pl.col("texts") == 0)).then("outlets"))
    return named.select(*COLUMNS, "impact", "number")


def _figures(cells: pl.DataFrame) -> pl.DataFrame:
    """Return cells with signal, interval, intensity and mean."""
    stories, some = pl.col("stories"), pl.col("stories") > 0
    signal = (pl.col("impact") / (stories + QUIET_STORIES)).clip(-1, 1)
    error = _NORMAL_95 * (stories * _variance().over("category")).sqrt() / (stories + QUIET_STORIES)
    return cells.with_columns(
        signal=pl.when(pl.col("window_texts") > 0).then(signal),
        low=pl.when(some).then((signal - error).clip(-1, 1)),
        high=pl.when(some).then((signal + error).clip(-1, 1)),
        intensity=pl.when(some).then(intensity_of(signal)),
        mean=pl.when(some).then(pl.col("impact") / stories),
    )


def intensity_of(signal: pl.Expr) -> pl.Expr:
    """Return low, medium or high, as `types.Signal.intensity` does."""
    (medium, high), (low_name, medium_name, high_name) = INTENSITY_FROM, INTENSITIES
    strength = signal.abs()
    return (
        pl.when(strength >= high)
        .then(pl.lit(high_name))
        .when(strength >= medium)
        .then(pl.lit(medium_name))
        .otherwise(pl.lit(low_name))
    )


def _variance() -> pl.Expr:
    """Return the variance of stories' scores around the mean of their cell, of all cells together."""
    several = pl.col("stories") > 1
    scatter = (
        pl.when(several).then((pl.col("squares") - pl.col("impact") ** 2 / pl.col("stories")).clip(0)).otherwise(0)
    )
    freedom = pl.when(several).then(pl.col("stories") - 1).otherwise(0)
    return (scatter.sum() + _PRIOR_FREEDOM * _PRIOR_VARIANCE) / (freedom.sum() + _PRIOR_FREEDOM)
