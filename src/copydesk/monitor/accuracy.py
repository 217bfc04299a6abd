"""The share of right answers among those that something was said of, and how it was come by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from copydesk.metrics.base import proportion_interval

Sampling = Literal["drawn", "chosen"]
LEAST_DRAWN = 30
"""Of fewer drawn texts no accuracy is estimated: of 30 flawless answers the interval still begins at 0.89."""


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers among `n` that something was said of, with its 95 % interval.

    Only of texts that were `drawn` is it an estimate for all answers: each counts for those that it stands for.
    """

    n: int
    right: int
    share: float
    low: float
    high: float
    sampling: Sampling


def accuracy_of(said: pl.DataFrame, sampling: Sampling) -> Accuracy | None:
    """Return the share of right answers among the drawn ones of some, or among the others; None of nothing.

    The interval is Wilson's for the effective number of texts, (sum w)² / sum w² (Kish 1965, Survey Sampling).
    """
    is_drawn = pl.col("weight").is_not_null()
    of_kind = said.filter(pl.col("right").is_not_null(), is_drawn if sampling == "drawn" else ~is_drawn)
    if not of_kind.height:
        return None
    right, weights = of_kind["right"].to_numpy(), of_kind["weight"].fill_null(1.0).to_numpy()
    share = float(weights[right].sum() / weights.sum())
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    low, high = proportion_interval(share * effective, effective)
    return Accuracy(of_kind.height, int(right.sum()), share, low, high, sampling)
