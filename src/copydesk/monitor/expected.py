"""How many answers are right by their own confidence, where nobody has said so.

The confidence is corrected by what held-out texts showed (`promise.py`). That holds for texts of the same kind in
another mixture. It does not see that the right answers have changed (what was news is advertising now), and of texts of
a foreign kind a model is often as sure, and wrong: where detectors of texts alarm, the expectation says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from copydesk.metrics.base import NORMAL_95
from copydesk.monitor.detectors import State
from copydesk.monitor.promise import Promise
from copydesk.monitor.reference import Reference

_OF_ANSWERS = frozenset({"labels", "tags", "confidence", "stages"})
"""Detectors of answers; what they find, the expectation allows for. All others are of texts."""


@dataclass(frozen=True)
class Expected:
    """The share of right answers to expect of `n`, those of a version, and of a label given if it names one.

    `low` and `high` allow for chance alone: 95 % if the texts are of the reference's kind. `confidence` is the mean as
    it was logged.
    """

    version: str
    label: str
    n: int
    confidence: float
    share: float
    low: float
    high: float


def expected_accuracy(rows: pl.LazyFrame, reference: Reference) -> list[Expected]:
    """Return what to expect of each version, the most frequent first, and after it of each label that it gave.

    Labels are by themselves where a text has one; answers in which such a model abstained do not count.
    """
    promise = reference.promise
    has_one = bool(promise.labels)
    label = pl.col("labels").list.first() if has_one else pl.lit("")
    answered = rows.filter(pl.col("labels").list.len() > 0) if has_one else rows
    groups = answered.group_by("version", label=label).agg(
        n=pl.len(), confidence=pl.col("confidence").cast(pl.Float64).mean(), calibrated=promise.calibrated().mean()
    )
    found = groups.collect(engine="streaming").sort("n", "label", descending=[True, False])
    expected = []
    for (version,), part in sorted(found.group_by("version"), key=lambda one: -one[1]["n"].sum()):
        expected.extend(_of_version(str(version), part, promise))
    return expected


def _of_version(version: str, part: pl.DataFrame, promise: Promise) -> list[Expected]:
    given = dict(part.select("label", "n").iter_rows())
    n, weights = int(part["n"].sum()), part["n"] / part["n"].sum()
    mean, calibrated = (float((part[name] * weights).sum()) for name in ("confidence", "calibrated"))
    expected = [_expected(version, "", n, mean, promise.share(calibrated, given), promise)]
    if promise.labels:
        shares = promise.shares(dict(part.select("label", "calibrated").iter_rows()), given)
        rows = part.select("label", "n", "confidence").iter_rows()
        expected += [_expected(version, label, n, mean, shares[label], promise) for label, n, mean in rows]
    return expected


def _expected(version: str, label: str, n: int, confidence: float, share: float, promise: Promise) -> Expected:
    held = float(promise.counts[promise.labels.index(label)].sum()) if label in promise.labels else float(promise.n)
    half = NORMAL_95 * float(np.sqrt(share * (1 - share) * (1 / n + 1 / max(held, 1.0))))
    return Expected(version, label, n, confidence, share, max(share - half, 0.0), min(share + half, 1.0))


def doubt_of(states: Iterable[State]) -> str:
    """Return what must be said beside an expectation, by what detectors found in the same texts; "" for nothing."""
    texts = [state.detector for state in states if state.drifted and state.detector not in _OF_ANSWERS]
    if not texts:
        return ""
    return (
        f"The texts have changed ({', '.join(texts)}): how sure the model is of such texts was never held against the "
        "truth, so the expected accuracy may be far off. Label some: copydesk monitor queue MODEL --log LOG"
    )
