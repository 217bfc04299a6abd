"""Whether answers were right, from what was said of them.

Two kinds of feedback are told apart. Texts that were *drawn* by chance for somebody to look at, each with a known
probability, are a sample: of them an accuracy is estimated without bias. What users say of themselves, and what was
picked for being doubtful, is *chosen*: users correct what is wrong and seldom praise what is right, so the share of
right ones among these is no accuracy. It still says how much is wrong at least, and by its rate per thousand answers
whether that grows. What is said is taken to be true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from copydesk.metrics.base import Interval, proportion_interval
from copydesk.metrics.paired import mcnemar_p_value, rise_interval
from copydesk.monitor.accuracy import LEAST_DRAWN, Accuracy, Sampling, accuracy_of
from copydesk.monitor.entry import NOT_SHADOW, SHADOW
from copydesk.monitor.joined import joined
from copydesk.monitor.parts import precision_of, slices_of
from copydesk.monitor.times import Every
from copydesk.types import Slice


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
    def estimate(self) -> Accuracy | None:
        """The accuracy of all these answers, from drawn texts; None where fewer than 30 were drawn."""
        return self.drawn if self.drawn is not None and self.drawn.n >= LEAST_DRAWN else None

    @property
    def bounds(self) -> Interval:
        """The least and the greatest accuracy of these answers, whatever those are of which nothing was said."""
        return self.confirmed / self.answers, 1 - self.contradicted / self.answers

    @property
    def wrong_per_thousand(self) -> tuple[float, Interval]:
        """How many of a thousand answers were contradicted, with its 95 % interval: to be compared over time."""
        low, high = proportion_interval(self.contradicted, self.answers)
        return 1_000 * self.contradicted / self.answers, (1_000 * low, 1_000 * high)


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

    `versions` are by version and source, `periods` by time (live and job together). `slices` and `precision`, by label
    given, are of drawn texts where there are enough, else of chosen ones: `sampling` says which. `notes` are lines that
    a reader must not miss. `unknown` counts what was said of answers that are not in these rows; `said` are those that
    are (`joined`).
    """

    versions: list[Judged]
    periods: list[Judged]
    slices: list[Slice]
    precision: dict[str, Accuracy]
    sampling: Sampling
    shadows: list[Paired]
    said: pl.DataFrame = field(compare=False, repr=False)
    unknown: int = 0
    notes: list[str] = field(default_factory=list)


def quality(rows: pl.LazyFrame, corrections: pl.DataFrame, *, every: Every = "1w") -> Quality:
    """Return what corrections (`Log.corrections()`) say of the rows of a log, in two passes over these."""
    start = pl.col("at").dt.truncate(every).alias("start")
    counted = rows.group_by("version", "source", start).agg(answers=pl.len()).collect(engine="streaming")
    said = joined(rows, corrections).with_columns(start)
    asked = said.filter(NOT_SHADOW)
    drawn = asked.filter(pl.col("weight").is_not_null(), pl.col("right").is_not_null())
    sampling: Sampling = "drawn" if drawn.height >= LEAST_DRAWN else "chosen"
    versions = [
        _judged(part, said.filter(version=version, source=source), version=version, source=source)
        for (version, source), part in _by(counted, "version", "source")
    ]
    periods = [
        _judged(part, asked.filter(start=when), start=when)
        for (when,), part in _by(counted.filter(NOT_SHADOW), "start")
    ]
    found = Quality(
        sorted(versions, key=lambda one: (-one.answers, one.version, one.source)),
        sorted(periods, key=lambda one: one.start or datetime.min),
        slices_of(asked, sampling),
        precision_of(asked, sampling),
        sampling,
        paired(said),
        said,
        corrections["id"].n_unique() - said["id"].n_unique(),
    )
    return replace(found, notes=_notes(found))


def paired(said: pl.DataFrame) -> list[Paired]:
    """Return each shadow's answers against those of the champion beside which they were made.

    Texts that were drawn are enough where there are 30 of them, else all are taken; weights do not count.
    """
    columns = ["id", "version", "right", "weight"]
    champions = said.filter(NOT_SHADOW, pl.col("right").is_not_null()).select(columns)
    shadows = said.filter(~NOT_SHADOW, pl.col("right").is_not_null()).select(columns[:3])
    both = champions.join(shadows, on="id", suffix="_shadow")
    return [
        _paired(part, str(champion), str(shadow)) for (champion, shadow), part in _by(both, "version", "version_shadow")
    ]


def _paired(both: pl.DataFrame, champion: str, shadow: str) -> Paired:
    drawn = both.filter(pl.col("weight").is_not_null())
    fair = drawn.height >= LEAST_DRAWN
    right = (drawn if fair else both).select("right", "right_shadow")
    losses = right.filter(pl.col("right") & ~pl.col("right_shadow")).height
    gains = right.filter(~pl.col("right") & pl.col("right_shadow")).height
    low, high = rise_interval(losses, gains, right.height)
    p_value = min(1.0, 2 * min(mcnemar_p_value(losses, gains), mcnemar_p_value(gains, losses)))
    rise = (gains - losses) / right.height
    return Paired(champion, shadow, right.height, losses, gains, rise, low, high, p_value, fair)


def _judged(
    counted: pl.DataFrame, said: pl.DataFrame, *, version: str = "", source: str = "", start: datetime | None = None
) -> Judged:
    return Judged(
        version,
        source,
        int(counted["answers"].sum()),
        int((said["right"] == True).sum()),  # noqa: E712 (a column)
        int((said["right"] == False).sum()),  # noqa: E712 (a column)
        accuracy_of(said, "drawn"),
        accuracy_of(said, "chosen"),
        start,
    )


def _by(frame: pl.DataFrame, *columns: str) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    yield from frame.group_by(*columns, maintain_order=True)


def _notes(found: Quality) -> list[str]:
    """Return what a reader of the figures must not miss."""
    live = [one for one in found.versions if one.source != SHADOW]
    answers, wrong = sum(one.answers for one in live), sum(one.contradicted for one in live)
    confirmed = sum(one.confirmed for one in live)
    notes = []
    if wrong + confirmed and found.sampling == "chosen":
        notes.append(
            f"Nothing was drawn by chance, or too little: of {answers:,} answers {wrong:,} were contradicted and "
            f"{confirmed:,} confirmed by those who chose to. The share of right ones among them is no accuracy: "
            f"between {confirmed / answers:.1%} and {1 - wrong / answers:.1%} of all are right. For an estimate, label "
            "the random texts of: copydesk monitor queue MODEL --log LOG"
        )
    if any(not one.fair for one in found.shadows):
        notes.append(
            "Champion and shadow are compared on texts that were chosen: users contradict the champion, whose answers "
            "they see, so the shadow looks better than it is. Only drawn texts decide between them."
        )
    if found.unknown:
        notes.append(
            f"{found.unknown:,} corrections are of answers that are not among these rows: of other times, or no longer "
            "kept."
        )
    return notes
