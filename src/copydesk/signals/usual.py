"""What is usual at a place and hour, and how far a window is from it.

The usual is the median of the windows at the same hour of the days before, so one storm does not become the rule. How
unusual a window is goes by its impact, the sum of its stories' scores, which tells twenty stories from three: its
distance from the usual impact in standard deviations. These come from the spread of the days before (median absolute
deviation, Hampel 1974) and from what so many stories, and one more, scatter by themselves: the sum of a Poisson number
of scores has the variance (number x mean square of a score). So a lone story is never very unusual.
"""

from __future__ import annotations

import polars as pl

DAYS = 14
LEAST_DAYS = 5
"""With fewer earlier windows that have texts nothing is called usual."""
UNUSUAL_FROM = 3.0
_NORMAL = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
_PRIOR_STORIES, _PRIOR_SQUARE = 5.0, 0.25
"""A category that was hardly seen yet: as if five stories of a score of 0.5 had been."""


def with_usual(sheet: pl.DataFrame, every: str) -> pl.DataFrame:
    """Return a whole sheet (no window missing) with `usual`, `change` and `unusual`; null where too little is known.

    `usual` is a signal, `change` the signal without it, `unusual` the distance in standard deviations, with its sign.
    In a window that is not `over` only what goes beyond the usual is unusual: what is still missing may come.
    """
    keys = ["place", "category", "hour"]
    hour = pl.col("start").dt.hour() if every == "1h" else pl.lit(0, pl.Int8)
    told = sheet.with_columns(hour=hour, known=pl.col("signal").is_not_null()).sort("place", "category", "start")

    def before(name: str) -> pl.Expr:
        value = pl.when("known").then(name)
        return pl.concat_list([value.shift(day).over(keys) for day in range(1, DAYS + 1)]).list.drop_nulls()

    earlier = told.with_columns(
        signals_before=before("signal"), impacts_before=before("impact"), stories_before=before("stories")
    )
    impacts, middle = pl.col("impacts_before"), pl.col("impacts_before").list.median()
    spread = _NORMAL * (impacts - middle).list.eval(pl.element().abs()).list.median()
    expected = 1 + pl.col("stories_before").list.median()
    square = (pl.col("squares").sum() + _PRIOR_STORIES * _PRIOR_SQUARE) / (pl.col("stories").sum() + _PRIOR_STORIES)
    unusual = (pl.col("impact") - middle) / (spread**2 + expected * square.over("category")).sqrt()
    is_certain = pl.col("over") | (unusual * pl.col("impact") > 0)
    is_enough = pl.col("known") & (impacts.list.len() >= LEAST_DAYS)
    usual = pl.when(is_enough).then(pl.col("signals_before").list.median())
    found = earlier.with_columns(usual=usual, unusual=pl.when(is_enough & is_certain).then(unusual))
    return found.with_columns(change=pl.col("signal") - pl.col("usual")).drop(
        "hour", "known", "signals_before", "impacts_before", "stories_before"
    )
