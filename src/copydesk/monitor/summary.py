"""A prediction log to figures by period: how much, which labels, how sure, what has drifted.

Counts are of every row. Drift is judged on a sample of each period's rows, chosen by the random part of their ids, so
that a week of millions takes seconds and little memory. Pure but for reading the rows that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl

from copydesk.monitor.detectors import NO_LABEL, State, Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.reference import Reference
from copydesk.monitor.traits import NUMBERS, from_steps

Every = Literal["1h", "1d", "1w"]
SAMPLE = 2_000
"""Rows of a period that are judged for drift; more would find changes too small to matter."""
_ID_DIGITS = 4


@dataclass(frozen=True)
class Period:
    """What was answered from `start` on, for as long as the summary's periods are.

    `confidence` is the mean, `expected` the share of right answers that it promises, corrected by what it promised and
    held on held-out texts. `states` are empty where there were too few texts to judge.
    """

    start: datetime
    n: int
    confidence: float
    expected: float
    labels: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)

    @property
    def drifted(self) -> list[State]:
        """The detectors that alarm."""
        return [state for state in self.states if state.drifted]


def summarise(rows: pl.LazyFrame, reference: Reference, *, every: Every = "1d") -> list[Period]:
    """Return the periods in which anything was answered, the oldest first."""
    rows = rows.with_columns(period=pl.col("at").dt.truncate(every))
    totals = rows.group_by("period").agg(n=pl.len(), confidence=pl.col("confidence").mean()).sort("period")
    counts = {
        "labels": _counts(rows.select("period", "labels").explode("labels"), "labels"),
        "languages": _counts(rows, "language"),
        "stages": _counts(rows, "stage"),
        "versions": _counts(rows, "version"),
    }
    found, *counted = pl.collect_all([totals, *counts.values()], engine="streaming")
    of = {name: _by_period(table) for name, table in zip(counts, counted, strict=True)}
    drift, offset = Drift.since(reference), reference.accuracy - reference.expected
    samples = sampled(rows, found).partition_by("period", as_dict=True)
    return [
        Period(
            start,
            n,
            confidence,
            float(np.clip(confidence + offset, 0, 1)),
            **{name: by.get(start, {}) for name, by in of.items()},
            states=drift.update(window_of(samples[start,])),
        )
        for start, n, confidence in found.iter_rows()
    ]


def sampled(rows: pl.LazyFrame, totals: pl.DataFrame, most: int = SAMPLE) -> pl.DataFrame:
    """Return about so many rows of each period at most, in one pass, by the end of their ids, which is random."""
    below = totals.lazy().select("period", below=(pl.min_horizontal(1.0, most / pl.col("n")) * 16**_ID_DIGITS).ceil())
    place = pl.col("id").str.slice(-_ID_DIGITS).str.to_integer(base=16)
    columns = ["period", "id", *NUMBERS, "confidence", "vector", "labels", "language", "stage", "text_hash"]
    chosen = rows.select(columns).join(below, on="period").filter(place < pl.col("below"))
    return chosen.collect(engine="streaming")


def window_of(rows: pl.DataFrame) -> Window:
    """Return measured rows as detectors see them: a text that was asked several times counts once, as in training."""
    rows = rows.filter(pl.col("vector").is_not_null()).unique("text_hash", keep="first", maintain_order=True)
    numbers = {name: rows[name].to_numpy() for name in (*NUMBERS, "confidence")}
    given = pl.when(pl.col("labels").list.len() > 0).then("labels").otherwise(pl.lit([NO_LABEL]))
    kinds: dict[str, Sequence[str]] = {
        "labels": rows.select(given.explode())["labels"].to_list(),
        "languages": rows["language"].drop_nulls().to_list(),
        "stages": rows["stage"].to_list(),
    }
    return Window(numbers, from_steps(rows["vector"].to_numpy()), kinds)


def _counts(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return rows.filter(pl.col(column).is_not_null()).group_by("period", pl.col(column).alias("name")).agg(n=pl.len())


def _by_period(counts: pl.DataFrame) -> dict[datetime, dict[str, int]]:
    """Return each period's counts, the commonest first."""
    found: dict[datetime, dict[str, int]] = {}
    for period, name, n in counts.sort(["n", "name"], descending=[True, False]).iter_rows():
        found.setdefault(period, {})[name] = n
    return found
