"""Quality figures as pure functions of counts and scores.

All figures of the `single` task derive from the confusion matrix, so a bootstrap over test texts is a multinomial
draw of its cells (Efron & Tibshirani 1993, ch. 13): a thousand resamples cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.tasks import Scores, Targets
from copydesk.types import Calibration, LabelQuality, ReliabilityBin

_RESAMPLES = 1_000
_SEED = 20_061
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCounts:
    """Per label: how many texts have it, were given it, and both. Leading dimensions are resamples."""

    actual: Counts
    predicted: Counts
    both: Counts

    @classmethod
    def of(cls, targets: Targets, predicted: Targets, labels: int) -> LabelCounts:
        """Count test texts; arrays of shape (labels,)."""
        return cls(
            np.bincount(targets, minlength=labels).astype(np.float64),
            np.bincount(predicted, minlength=labels).astype(np.float64),
            np.bincount(targets[targets == predicted], minlength=labels).astype(np.float64),
        )

    def precision(self) -> Counts:
        """Return both / predicted; 0 where nothing was predicted."""
        return _ratio(self.both, self.predicted)

    def recall(self) -> Counts:
        """Return both / actual; 0 where there is no such text."""
        return _ratio(self.both, self.actual)

    def f1(self) -> Counts:
        """Return the harmonic mean of precision and recall, 2 both / (actual + predicted)."""
        return _ratio(2 * self.both, self.actual + self.predicted)

    def metrics(self) -> dict[str, Counts]:
        """Return the headline metrics; macro means are over labels that occur among the texts."""
        occurs = self.actual > 0
        return {
            "accuracy": _ratio(self.both.sum(-1), self.actual.sum(-1)),
            "macro_f1": _ratio((self.f1() * occurs).sum(-1), occurs.sum(-1)),
            "macro_recall": _ratio((self.recall() * occurs).sum(-1), occurs.sum(-1)),
            "weighted_f1": _ratio((self.f1() * self.actual).sum(-1), self.actual.sum(-1)),
        }


def _ratio(numerator: Counts, denominator: Counts | NDArray[np.int64]) -> Counts:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def single_metrics(targets: Targets, predicted: Targets, labels: int) -> dict[str, float]:
    """Return accuracy, macro F1, macro recall and weighted F1."""
    return {name: float(value) for name, value in LabelCounts.of(targets, predicted, labels).metrics().items()}


def bootstrap_intervals(targets: Targets, predicted: Targets, labels: int) -> dict[str, tuple[float, float]]:
    """Return each metric's 95 % percentile interval over 1,000 resamples of the test texts; deterministic."""
    cells, counts = np.unique(targets * labels + predicted, return_counts=True)
    rows, columns = cells // labels, cells % labels
    draws = np.random.default_rng(_SEED).multinomial(counts.sum(), counts / counts.sum(), size=_RESAMPLES)

    def by_label(of_cell: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Counts:
        totals = np.zeros((_RESAMPLES, labels))
        np.add.at(totals.T, of_cell[chosen], draws.T[chosen])
        return totals

    everything = np.ones(len(cells), np.bool_)
    resampled = LabelCounts(by_label(rows, everything), by_label(columns, everything), by_label(rows, rows == columns))
    return {name: _percentiles(values) for name, values in resampled.metrics().items()}


def proportion_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval (Wilson 1927) of a share; (0, 1) for no texts."""
    if total == 0:
        return (0.0, 1.0)
    z = 1.959963984540054
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * float(np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)))
    return (max(centre - half, 0.0), min(centre + half, 1.0))


def _percentiles(values: Counts) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return (float(low), float(high))


def label_qualities(targets: Targets, predicted: Targets, labels: Sequence[str]) -> dict[str, LabelQuality]:
    """Return precision, recall, F1 and support of each label."""
    counts = LabelCounts.of(targets, predicted, len(labels))
    columns = zip(counts.precision(), counts.recall(), counts.f1(), counts.actual, strict=True)
    return {
        label: LabelQuality(float(precision), float(recall), float(f1), int(support))
        for label, (precision, recall, f1, support) in zip(labels, columns, strict=True)
    }


def calibration_of(targets: Targets, scores: Scores, bins: int = 10) -> Calibration:
    """Return how well scores match reality.

    ECE (Naeini et al. 2015) is over equal-width bins of the highest score; Brier (1950) is the mean over texts of the
    summed squared difference between all scores and the truth, from 0 to 2.
    """
    best = scores.max(axis=1)
    right = scores.argmax(axis=1) == targets
    place = np.minimum((best * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            rows.append(ReliabilityBin(float(best[inside].mean()), float(right[inside].mean()), int(inside.sum())))
    ece = sum(row.n * abs(row.score - row.accuracy) for row in rows) / max(len(targets), 1)
    truth = np.zeros_like(scores)
    truth[np.arange(len(targets)), targets] = 1.0
    return Calibration(float(ece), float(((scores - truth) ** 2).sum(axis=1).mean()), rows)
