"""How old a model is, and whether it has become worse since it was trained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from copydesk.monitor.accuracy import Accuracy


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

    `weeks` is the accuracy by the number of whole weeks since training; `slope` is None where that is of too few weeks.
    """

    trained: datetime
    age_days: float
    newest_text: datetime | None
    newest_text_days: float | None
    weeks: dict[int, Accuracy]
    slope: Slope | None


def staleness(said: pl.DataFrame, *, trained: datetime, newest_text: datetime | None, now: datetime) -> Staleness:
    """Return how old a model is; `said` are its rows of which something was said (`quality.joined`)."""
    raise NotImplementedError
