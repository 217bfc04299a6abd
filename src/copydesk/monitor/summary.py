"""A prediction log to figures by period: how much, which labels, how sure, what has drifted.

Counts are of every row. Drift is judged on a sample of each period's rows, chosen by the random part of their ids, so
that a week of millions takes seconds and little memory. Pure but for reading the rows that it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from copydesk.monitor.detectors import NO_LABEL, State, Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.reference import Reference
from copydesk.monitor.times import Every
from copydesk.monitor.traits import NUMBERS, from_steps

SAMPLE = 2_000
"""Rows of a period that are judged for drift; more would find changes too small to matter."""
SAMPLED = (
    *("period", "at", "id", *NUMBERS, "confidence", "vector"),
    *("labels", "tags", "language", "stage", "text_hash", "text"),
)
_ID_DIGITS = 4
_NO_SHARED_SCANS = pl.QueryOptFlags(comm_subplan_elim=False)
"""Queries of the same rows read them one after the other; what they share would else be kept in memory whole."""

_NOTHING = {"n": 0, "confidence": 0.0, "measured": 0}


@dataclass(frozen=True)
class Period:
    """What was answered from `start` on, for as long as the summary's periods are, by any version but a shadow.

    `own` texts were answered by the version that is looked at; of them are all the figures below: `confidence` is the
    mean, `expected` the share of right answers to expect (`expected.py`); both None without texts, `expected` without a
    reference that promises one. `states` are empty where there were too few texts.
    """

    start: datetime
    n: int
    own: int
    confidence: float | None
    expected: float | None
    measured: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)

    @property
    def drifted(self) -> list[State]:
        """The detectors that alarm."""
        return [state for state in self.states if state.drifted]


@dataclass(frozen=True)
class Summary:
    """The periods in which anything was answered, the rows that were judged for drift, and when the last text came."""

    periods: list[Period]
    sample: pl.DataFrame
    last: datetime | None = None

    @property
    def judged(self) -> Period | None:
        """The newest period that was judged for drift."""
        return next((period for period in reversed(self.periods) if period.states), None)


def summarise(
    rows: pl.LazyFrame,
    reference: Reference | None,
    *,
    every: Every = "1d",
    versions: Collection[str] | None = None,
    most: int = SAMPLE,
) -> Summary:
    """Return what was answered in each period.

    `versions` are the names under which the version that the reference is of stands in the log; None means all.
    """
    rows = rows.filter(NOT_SHADOW).with_columns(period=pl.col("at").dt.truncate(every))
    own = rows if versions is None else rows.filter(pl.col("version").is_in(sorted(versions)))
    queries = {
        "versions": _counts(rows, "version"),
        "last": rows.select(pl.col("at").max()),
        "labels": _counts(own.select("period", "labels").explode("labels"), "labels"),
        "languages": _counts(own, "language"),
        "own": own.group_by("period", "stage").agg(n=pl.len(), measured=pl.col("words").count(), **_sums(reference)),
    }
    tables = pl.collect_all(queries.values(), engine="streaming", optimizations=_NO_SHARED_SCANS)
    found = dict(zip(queries, tables, strict=True))
    totals = found["own"].group_by("period").agg(pl.exclude("stage").sum())
    sample = sampled(own, totals.select("period", n="measured"), most)
    counts = {name: _by_period(found[name]) for name in ("versions", "labels", "languages")}
    counts["stages"] = _by_period(found["own"].select("period", name="stage", n="n"))
    states, sums = _states(sample, reference), {row["period"]: row for row in totals.iter_rows(named=True)}
    periods = [
        _period(
            start,
            sums.get(start, _NOTHING),
            {name: by.get(start, {}) for name, by in counts.items()},
            reference=reference,
            states=states.get(start, []),
        )
        for start in sorted(counts["versions"])
    ]
    return Summary(periods, sample, found["last"].item())


def _sums(reference: Reference | None) -> dict[str, pl.Expr]:
    """Return what is added up of confidence, and of the answers that a promise is about."""
    sums = {"confidence": pl.col("confidence").cast(pl.Float64).sum()}
    if reference is None:
        return sums
    promise = reference.promise
    answered = pl.col("labels").list.len() > 0 if promise.labels else pl.lit(True)
    return sums | {"answered": answered.cast(pl.Int64).sum(), "calibrated": promise.calibrated().filter(answered).sum()}


def _period(
    start: datetime,
    sums: Mapping[str, Any],
    counts: Mapping[str, dict[str, int]],
    *,
    reference: Reference | None,
    states: list[State],
) -> Period:
    answered, expected = sums.get("answered"), None
    if reference and answered:
        expected = reference.promise.share(sums["calibrated"] / answered, counts["labels"])
    return Period(
        start,
        sum(counts["versions"].values()),
        sums["n"],
        sums["confidence"] / sums["n"] if sums["n"] else None,
        expected,
        sums["measured"],
        **counts,
        states=states,
    )


def sampled(rows: pl.LazyFrame, totals: pl.DataFrame, most: int = SAMPLE) -> pl.DataFrame:
    """Return about so many measured rows of each period at most, in one pass, by the end of their ids, which is random.

    `totals` holds how many measured rows (`n`) each period has. Columns that the rows have not are left out.
    """
    below = totals.select("period", below=(pl.min_horizontal(1.0, most / pl.col("n")) * 16**_ID_DIGITS).ceil())
    place = pl.col("id").str.slice(-_ID_DIGITS).str.to_integer(base=16, strict=False).fill_null(0)
    chosen = (
        rows.select(SAMPLED)
        .filter(pl.col("words").is_not_null())
        .join(below.lazy(), on="period")
        .filter(place < pl.col("below"))
    )
    return chosen.drop("below").collect(engine="streaming")


def window_of(rows: pl.DataFrame) -> Window:
    """Return measured rows as detectors see them: a text that was asked several times counts once, as in training."""
    rows = rows.filter(pl.col("vector").is_not_null()).unique("text_hash", keep="first", maintain_order=True)
    numbers = {name: rows[name].to_numpy() for name in (*NUMBERS, "confidence")}
    given = pl.when(pl.col("labels").list.len() > 0).then("labels").otherwise(pl.lit([NO_LABEL]))
    kinds: dict[str, Sequence[str]] = {
        "labels": rows.select(given.explode())["labels"].to_list(),
        "languages": rows["language"].drop_nulls().to_list(),
        "stages": rows["stage"].to_list(),
        "tags": _tagged(rows),
    }
    return Window(numbers, from_steps(rows["vector"].to_numpy()), kinds)


def _tagged(rows: pl.DataFrame) -> list[str]:
    """Return `category: tag` of each signal; nothing for other tasks, whose answers have no tags."""
    signals = rows.filter(pl.col("tags").list.len() > 0).select("labels", "tags").explode("labels", "tags")
    return signals.select(pl.format("{}: {}", "labels", "tags")).to_series().to_list()


def _states(sample: pl.DataFrame, reference: Reference | None) -> dict[datetime, list[State]]:
    if reference is None:
        return {}
    drift = Drift.since(reference)
    return {
        start: drift.update(window_of(rows)) for (start,), rows in sample.partition_by("period", as_dict=True).items()
    }


def _counts(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return rows.filter(pl.col(column).is_not_null()).group_by("period", pl.col(column).alias("name")).agg(n=pl.len())


def _by_period(counts: pl.DataFrame) -> dict[datetime, dict[str, int]]:
    """Return each period's counts, the commonest first."""
    found: dict[datetime, dict[str, int]] = {}
    for period, name, n in counts.sort(["n", "name"], descending=[True, False]).iter_rows():
        found.setdefault(period, {})[name] = n
    return found
