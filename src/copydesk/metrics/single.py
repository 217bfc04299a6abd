"""Figures of one-of-K answers.

All derive from the confusion matrix, so a bootstrap over test texts is a multinomial draw of its cells (Efron &
Tibshirani 1993, ch. 13): a thousand resamples cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.base import RESAMPLES, SEED, Counts, Interval, LabelCounts, Measured, percentiles
from copydesk.metrics.tally import Tallies, Tally, calibration_tally, pool
from copydesk.types import Calibration, Confusion, ReliabilityBin

Indices = NDArray[np.int64]
_CONFUSION_LABELS = 200


def measure_single(targets: Indices, scores: Counts, labels: Sequence[str]) -> Measured:
    """Return the figures of scores, shape (n, labels), against label indices, shape (n,)."""
    predicted = scores.argmax(axis=1)
    counts = label_counts(targets, predicted, len(labels))
    return Measured(
        {name: float(value) for name, value in _metrics(counts).items()},
        bootstrap_intervals(targets, predicted, len(labels)),
        counts.qualities(labels),
        calibration_of(targets, scores),
        _confusion(targets, predicted, labels),
    )


def tally_single(targets: Indices, scores: Counts) -> Tallies:
    """Return what scores, shape (n, labels), add to each metric, text by text, against label indices, shape (n,)."""
    labels = np.eye(scores.shape[1])
    predicted = scores.argmax(axis=1)
    actual, given, right = labels[targets], labels[predicted], predicted == targets
    some = actual[pool(len(actual))]
    quality = Tally(
        np.concatenate([actual, given, actual * given], axis=1),
        np.concatenate([some, some, some], axis=1),
        np.concatenate([some, np.zeros_like(some), np.zeros_like(some)], axis=1),
        lambda sums: _metrics(LabelCounts(*np.split(sums, 3, axis=-1))),
    )
    calibration = calibration_tally(scores.max(axis=1)[:, None], right[:, None], ((scores - actual) ** 2).sum(axis=1))
    return Tallies(quality, calibration, right, actual != given, (actual + given).sum(axis=0), "accuracy")


def label_counts(targets: Indices, predicted: Indices, labels: int) -> LabelCounts:
    """Count test texts per label; arrays of shape (labels,)."""
    counted = (targets, predicted, targets[targets == predicted])
    return LabelCounts(*(np.bincount(part, minlength=labels).astype(np.float64) for part in counted))


def _metrics(counts: LabelCounts) -> dict[str, Counts]:
    """Return the headline metrics; macro means are over labels that occur among the texts."""
    return {
        "accuracy": counts.micro().recall()[..., 0],
        "macro_f1": counts.macro(counts.f1()),
        "macro_recall": counts.macro(counts.recall()),
        "weighted_f1": counts.weighted(counts.f1()),
    }


def bootstrap_intervals(targets: Indices, predicted: Indices, labels: int) -> dict[str, Interval]:
    """Return each metric's 95 % percentile interval over 1,000 resamples of the test texts; deterministic."""
    cells, counts = np.unique(targets * labels + predicted, return_counts=True)
    rows, columns = cells // labels, cells % labels
    draws = np.random.default_rng(SEED).multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES)

    def by_label(of_cell: Indices, chosen: NDArray[np.bool_]) -> Counts:
        totals = np.zeros((RESAMPLES, labels))
        np.add.at(totals.T, of_cell[chosen], draws.T[chosen])
        return totals

    everything = np.ones(len(cells), np.bool_)
    resampled = LabelCounts(by_label(rows, everything), by_label(columns, everything), by_label(rows, rows == columns))
    return {name: percentiles(values) for name, values in _metrics(resampled).items()}


def _confusion(targets: Indices, predicted: Indices, labels: Sequence[str]) -> Confusion | None:
    size = len(labels)
    if size > _CONFUSION_LABELS:
        return None
    counts = np.bincount(targets * size + predicted, minlength=size * size).reshape(size, size)
    return Confusion(list(labels), counts.tolist())


def calibration_of(targets: Indices, scores: Counts) -> Calibration:
    """Return how well the scores match reality.

    ECE (Naeini et al. 2015) is over equal-width bins of the highest score; Brier (1950) is the mean over texts of the
    summed squared difference between all scores and the truth, from 0 to 2.
    """
    truth = np.zeros_like(scores)
    truth[np.arange(len(targets)), targets] = 1.0
    rows = reliability_bins(scores.max(axis=1), scores.argmax(axis=1) == targets)
    return Calibration(calibration_error(rows), float(((scores - truth) ** 2).sum(axis=1).mean()), rows)


def reliability_bins(sure: Counts, right: NDArray[np.bool_], bins: int = 10) -> list[ReliabilityBin]:
    """Return equal-width bins of scores: mean score, share that is right, number; empty ones are left out."""
    place = np.minimum((sure * bins).astype(int), bins - 1)
    found = [place == number for number in range(bins)]
    return [
        ReliabilityBin(float(sure[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in found
        if inside.any()
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean distance between score and share that is right, weighted by the bins' sizes."""
    total = sum(row.n for row in bins)
    return float(sum(row.n * abs(row.score - row.accuracy) for row in bins) / max(total, 1))
