"""What is usual at a place and hour, and how far a window is from it.

The usual is the median of the windows at the same hour of the days before, so one storm does not become the rule. How
unusual a window is goes by its impact, the sum of its stories' scores, which tells twenty stories from three: its
distance from the usual impact in standard deviations. These come from the spread of the days before (median absolute
deviation, Hampel 1974) and from what so many stories, and one more, scatter by themselves: the sum of a Poisson number
of scores has the variance (number x mean square of a score). So a lone story is never very unusual.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAYS = 14
LEAST_DAYS = 5
"""With fewer earlier windows that have texts nothing is called usual."""
UNUSUAL_FROM = 3.0
_NORMAL = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
_PRIOR_STORIES, _PRIOR_SQUARE = 5.0, 0.25
"""A category that was hardly seen yet: as if five stories of a score of 0.5 had been."""


Cells = NDArray[np.float64]


def with_usual(sheet: pl.DataFrame, every: str) -> pl.DataFrame:
    """Return a whole sheet with `usual`, `change` and `unusual`; null where too little is known.

    The sheet has every window of every place and category, in this order of sorting. `usual` is a signal, `change` the
    signal without it, `unusual` the distance in standard deviations, with its sign. In a window that is not `over` only
    what goes beyond the usual is unusual: what is still missing may come.
    """
    places, categories = sheet["place"].n_unique(), sheet["category"].n_unique()
    shape = (places, sheet.height // (places * categories), categories)
    signal, impact, stories, squares = (
        sheet[name].to_numpy().astype(np.float64).reshape(shape) for name in ("signal", "impact", "stories", "squares")
    )
    starts = sheet["start"].gather_every(categories).head(shape[1])
    days = _days_before(starts.dt.hour().to_numpy() if every == "1h" else np.zeros(shape[1]))
    square = (squares.sum((0, 1)) + _PRIOR_STORIES * _PRIOR_SQUARE) / (stories.sum((0, 1)) + _PRIOR_STORIES)
    by_place = zip(signal, impact, stories, strict=True)  # one by one: the days before take fourteen times the room
    found = [_place(*cells, square=square, days=days) for cells in by_place]
    usual, unusual = (pl.Series(np.concatenate(part).ravel(), nan_to_null=True) for part in zip(*found, strict=True))
    certain = pl.col("over") | (pl.col("unusual") * pl.col("impact") > 0)
    return sheet.with_columns(usual=usual, unusual=unusual).with_columns(
        change=pl.col("signal") - pl.col("usual"), unusual=pl.when(certain).then("unusual")
    )


def _place(
    signal: Cells, impact: Cells, stories: Cells, *, square: Cells, days: NDArray[np.int64]
) -> tuple[Cells, Cells]:
    """Return the usual signal and how unusual the impact is, shape (windows, categories); NaN: unknown."""
    unknown = np.isnan(signal)
    signals, impacts, counts = (_at(np.where(unknown, np.nan, values), days) for values in (signal, impact, stories))
    middle = _median(impacts)
    spread = _NORMAL * _median(np.abs(impacts - middle[:, None]))
    unusual = (impact - middle) / np.sqrt(spread**2 + square * (1 + _median(counts)))
    too_few = unknown | ((~np.isnan(impacts)).sum(1) < LEAST_DAYS)
    return np.where(too_few, np.nan, _median(signals)), np.where(too_few, np.nan, unusual)


def _days_before(hours: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return for each window the 14 before it at the same hour, shape (windows, 14); -1 where there is none."""
    order = np.argsort(hours, kind="stable")
    place = np.arange(len(order))[:, None] - np.arange(1, DAYS + 1)
    earlier = order[np.maximum(place, 0)]
    same = (place >= 0) & (hours[earlier] == hours[order][:, None])
    found = np.empty(earlier.shape, np.int64)
    found[order] = np.where(same, earlier, -1)
    return found


def _at(values: Cells, days: NDArray[np.int64]) -> Cells:
    """Return the values of other windows, shape (windows, 14, categories), NaN where there is none."""
    return np.where(days[..., None] < 0, np.nan, values[days])


def _median(values: Cells) -> Cells:
    """Return the median over the second axis of what is known; NaN where nothing is."""
    ordered, known = np.sort(values, axis=1), (~np.isnan(values)).sum(1)
    ends = [np.take_along_axis(ordered, np.maximum(at, 0)[:, None], 1)[:, 0] for at in ((known - 1) // 2, known // 2)]
    middle: Cells = (ends[0] + ends[1]) / 2
    return np.where(known > 0, middle, np.nan)
