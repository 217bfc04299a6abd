"""How old a model is, and whether it has become worse since it was trained.

Time is that of the answers. A slope needs drawn texts: what users choose to say changes with their patience, not only
with the model. What a model of another age would do on the newest data, `copydesk check` measures beforehand
(`model.staleness_known`); this looks at the one that answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from copydesk.metrics.base import NORMAL_95
from copydesk.monitor.accuracy import LEAST_DRAWN, Accuracy, accuracy_of

_DAY_S, _WEEK_DAYS = 86_400.0, 7.0
_LEAST_WEEKS = 3


@dataclass(frozen=True)
class Slope:
    """By how much the share of right answers changes in a week, with its 95 % interval, from `n` drawn texts."""

    per_week: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Staleness:
    """A model's age in days since it was trained, and since its newest training text where the texts have a time.

    `weeks` is the accuracy by the number of whole weeks since training, from drawn texts where a week has 30, else from
    chosen ones; `slope` is None where drawn texts are of fewer than three weeks.
    """

    trained: datetime
    age_days: float
    newest_text: datetime | None
    newest_text_days: float | None
    weeks: dict[int, Accuracy]
    slope: Slope | None


def staleness(
    said: pl.DataFrame, *, trained: datetime, newest_text: datetime | None = None, now: datetime
) -> Staleness:
    """Return how old a model is; `said` are the answers of its versions that feedback is on (`joined.joined`)."""
    ages = (said["at"] - trained).dt.total_seconds() / (_DAY_S * _WEEK_DAYS)
    said = said.with_columns(age=ages.cast(pl.Float64)).filter(pl.col("right").is_not_null(), pl.col("age") >= 0)
    weeks = {}
    for (week,), part in said.group_by(pl.col("age").floor().cast(pl.Int64), maintain_order=True):
        drawn, chosen = accuracy_of(part, "drawn"), accuracy_of(part, "chosen")
        accuracy = drawn if drawn is not None and (drawn.n >= LEAST_DRAWN or chosen is None) else chosen
        if accuracy is not None:
            weeks[int(str(week))] = accuracy
    return Staleness(
        trained,
        _days(now, trained),
        newest_text,
        None if newest_text is None else _days(now, newest_text),
        dict(sorted(weeks.items())),
        _slope(said.filter(pl.col("weight").is_not_null())),
    )


def _days(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds() / _DAY_S


def _slope(drawn: pl.DataFrame) -> Slope | None:
    """Return the weighted least-squares slope of right answers over weeks.

    Its variance is White's (1980, Econometrica 48:817), which knows that weights and the spread of 0 and 1 differ, with
    the correction n / (n - 2).
    """
    n = drawn.height
    if n < LEAST_DRAWN or drawn["age"].floor().n_unique() < _LEAST_WEEKS:
        return None
    age, right, weight = (drawn[name].cast(pl.Float64).to_numpy() for name in ("age", "right", "weight"))
    age = age - np.average(age, weights=weight)
    spread = float((weight * age**2).sum())
    slope = float((weight * age * right).sum()) / spread
    rest = right - np.average(right, weights=weight) - slope * age
    half = NORMAL_95 * float(np.sqrt(((weight * age * rest) ** 2).sum() * n / (n - 2))) / spread
    return Slope(slope, slope - half, slope + half, n)
