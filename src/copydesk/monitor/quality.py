"""Whether answers were right, from what was said of them.

Two kinds of feedback are told apart. Texts that were *drawn* by chance for somebody to look at, each with a known
probability, are a sample: of them an accuracy is estimated without bias. What users say of themselves, and what was
picked for being doubtful, is *chosen*: users correct what is wrong and seldom praise what is right, so the share of
right ones among these is no accuracy. It still says how much is wrong at least, and by its rate per thousand answers
whether that grows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from copydesk.metrics.base import Interval
from copydesk.types import Slice

Sampling = Literal["drawn", "chosen"]
Every = Literal["1h", "1d", "1w"]


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers among `n` that something was said of, with its 95 % interval.

    Only of texts that were `drawn` is it an estimate for all answers: each counts by the inverse of its chance.
    """

    n: int
    right: int
    share: float
    low: float
    high: float
    sampling: Sampling


@dataclass(frozen=True)
class Judged:
    """What was said of a part of the answers, of which there are `answers` in the log.

    `contradicted` and `confirmed` count the answers of which it was said that they are wrong or right; an answer in
    which the model abstained is neither. `drawn` and `chosen` are None where there is nothing of that kind.
    """

    version: str
    source: str
    answers: int
    confirmed: int
    contradicted: int
    drawn: Accuracy | None
    chosen: Accuracy | None
    start: datetime | None = None

    @property
    def accuracy(self) -> Accuracy | None:
        """The estimate from drawn texts where there are enough of them, else the share among chosen ones."""
        raise NotImplementedError

    @property
    def bounds(self) -> Interval:
        """The least and the greatest accuracy of all answers, whatever those are of which nothing was said."""
        raise NotImplementedError

    @property
    def wrong_per_thousand(self) -> tuple[float, Interval]:
        """How many of a thousand answers were contradicted, with its 95 % interval: to be compared over time."""
        raise NotImplementedError


@dataclass(frozen=True)
class Paired:
    """Champion and shadow on the same texts: `losses` only the champion has right, `gains` only the shadow.

    `rise` is how much more often the shadow is right, from `low` to `high` (each with 95 %); `p_value` is that of no
    difference (McNemar's, mid-p, two-sided). It is `fair` where the texts were drawn: users contradict the champion,
    whose answers they see, so what they chose speaks for any other model.
    """

    champion: str
    shadow: str
    texts: int
    losses: int
    gains: int
    rise: float
    low: float
    high: float
    p_value: float
    fair: bool


@dataclass(frozen=True)
class Quality:
    """What feedback says.

    `versions` are by version and source, `periods` by time (live and job together), `slices` of drawn texts where there
    are enough, else of chosen ones (`slices_from` says which), `precision` by label given. `notes` are lines that a
    reader must not miss. `unknown` counts corrections of answers that are not in these rows.
    """

    versions: list[Judged]
    periods: list[Judged]
    slices: list[Slice]
    slices_from: Sampling
    precision: dict[str, Accuracy]
    shadows: list[Paired]
    unknown: int = 0
    notes: list[str] = field(default_factory=list)


def quality(rows: pl.LazyFrame, corrections: pl.DataFrame, *, every: Every = "1w") -> Quality:
    """Return what corrections (`Log.corrections()`) say of the rows of a log."""
    raise NotImplementedError


def joined(rows: pl.LazyFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of which something was said, with `truth`, `right` (null: abstained), `chance` and `said_at`."""
    raise NotImplementedError
