"""What all quality figures share: counts per label, intervals, thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.types import Calibration, Confusion, LabelQuality

RESAMPLES = 1_000
SEED = 20_061
_DRAWS_AT_ONCE = 100
Counts = NDArray[np.float64]
Flags = NDArray[np.bool_]
Interval = tuple[float, float]
NORMAL_95 = 1.959963984540054
"""So many standard deviations either side hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Measured:
    """What a task's answers are worth: metrics with their 95 % intervals, each label's quality, calibration."""

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    per_label: dict[str, LabelQuality]
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LabelCounts:
    """Per label: how many texts have it, were given it, and both. Leading dimensions are resamples."""

    actual: Counts
    predicted: Counts
    both: Counts

    def precision(self) -> Counts:
        """Return both / predicted; 0 where nothing was predicted."""
        return ratio(self.both, self.predicted)

    def recall(self) -> Counts:
        """Return both / actual; 0 where there is no such text."""
        return ratio(self.both, self.actual)

    def f1(self) -> Counts:
        """Return the harmonic mean of precision and recall, 2 both / (actual + predicted)."""
        return ratio(2 * self.both, self.actual + self.predicted)

    def macro(self, values: Counts) -> Counts:
        """Return the mean over labels that occur among the texts."""
        occurs = self.actual > 0
        return ratio((values * occurs).sum(-1), occurs.sum(-1))

    def weighted(self, values: Counts) -> Counts:
        """Return the mean over labels, each weighted by its number of texts."""
        return ratio((values * self.actual).sum(-1), self.actual.sum(-1))

    def micro(self) -> LabelCounts:
        """Return the counts of all labels together, as of one label."""
        return LabelCounts(*(part.sum(-1, keepdims=True) for part in (self.actual, self.predicted, self.both)))

    def qualities(self, labels: Sequence[str], thresholds: Sequence[float] | None = None) -> dict[str, LabelQuality]:
        """Return the labels' precision, recall, F1 and support (no resamples)."""
        columns = zip(self.precision(), self.recall(), self.f1(), self.actual, strict=True)
        limits = thresholds if thresholds is not None else [None] * len(labels)
        return {
            label: LabelQuality(float(precision), float(recall), float(f1), int(support), limit)
            for label, limit, (precision, recall, f1, support) in zip(labels, limits, columns, strict=True)
        }


def ratio(numerator: Counts, denominator: Any) -> Counts:  # noqa: ANN401 (counts, integer or float)
    """Return numerator / denominator; 0 where the denominator is 0."""
    numerator = np.asarray(numerator, np.float64)
    result: Counts = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=np.asarray(denominator) > 0)
    return result


def resamples(texts: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of bootstrap resamples, shape (block, texts): how often each text is drawn. Deterministic."""
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES // _DRAWS_AT_ONCE):
        yield rng.multinomial(texts, np.full(texts, 1 / texts), size=_DRAWS_AT_ONCE).astype(np.float32)


def percentiles(values: Counts) -> Interval:
    """Return the 2.5th and the 97.5th percentile."""
    low, high = np.percentile(values, [2.5, 97.5])
    return (float(low), float(high))


def proportion_interval(right: float, total: float) -> Interval:
    """Return the 95 % Wilson score interval (Wilson 1927) of a share; (0, 1) for no texts."""
    if total == 0:
        return (0.0, 1.0)
    z = NORMAL_95
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * float(np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)))
    return (max(centre - half, 0.0), min(centre + half, 1.0))


def best_threshold(scores: Counts, truth: NDArray[Any], *, otherwise: float) -> float:
    """Return the threshold at which `scores >= threshold` has the best F1 (the highest of equally good ones).

    It lies half-way between two scores, so that rounding does not move a text across. `otherwise` is for no truth.
    """
    positives = float((truth > 0).sum())
    if not positives:
        return otherwise
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(truth[order] > 0)
    last = np.append(ranked[:-1] != ranked[1:], True)  # a cut between equal scores is no cut
    f1 = np.where(last, 2 * hits / (np.arange(1, len(ranked) + 1) + positives), -1)
    cut = int(f1.argmax())
    below = float(ranked[cut + 1]) if cut + 1 < len(ranked) else 0.0
    return (float(ranked[cut]) + below) / 2
