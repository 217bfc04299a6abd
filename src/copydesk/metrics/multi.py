"""Figures of any-subset answers: precision, recall and F1 in all their means, subset accuracy, Hamming loss.

Intervals are from 1,000 resamples of the test texts. A resample is a vector of how often each text was drawn, so that
all of them together are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from copydesk.metrics.base import (
    Counts,
    Flags,
    Interval,
    LabelCounts,
    Measured,
    percentiles,
    ratio,
    resamples,
)
from copydesk.metrics.single import calibration_error, reliability_bins
from copydesk.metrics.tally import Tallies, Tally, calibration_tally, pool
from copydesk.types import Calibration

Value = TypeVar("Value")


def measure_multi(truth: Flags, given: Flags, scores: Counts, labels: Sequence[str], thresholds: Counts) -> Measured:
    """Return the figures of given labels against the truth, all of shape (n, labels)."""
    texts = _per_text(truth, given)
    counts = LabelCounts(*(part.sum(0).astype(np.float64) for part in (truth, given, truth & given)))
    once = {name: float(values.mean()) for name, values in texts.items()}
    return Measured(
        _in_order({**_metrics(counts), **once}),
        _in_order(_intervals(truth, given, texts)),
        counts.qualities(labels, thresholds.tolist()),
        _calibration(truth, scores),
        notes=_never_given(counts, labels),
    )


def tally_multi(truth: Flags, given: Flags, scores: Counts) -> Tallies:
    """Return what given labels add to each metric, text by text, against the truth, all of shape (n, labels)."""
    once = list(_per_text(truth, given))

    def rows(true: Flags, found: Flags) -> Counts:
        texts = np.stack([*_per_text(true, found).values(), np.ones(len(true))], axis=1)
        return np.concatenate([true, found, true & found, texts], axis=1, dtype=np.float32)

    def metrics(sums: Counts) -> dict[str, Counts]:
        counted, texts = sums[..., : -len(once) - 1], sums[..., -len(once) - 1 :]
        means = {name: ratio(texts[..., place], texts[..., -1]) for place, name in enumerate(once)}
        return {**_of_labels(LabelCounts(*np.split(counted, 3, axis=-1))), **means}

    calibration = calibration_tally(scores, truth, ((scores - truth) ** 2).mean(axis=1))
    some = truth[pool(len(truth))]
    quality = Tally(rows(truth, given), rows(some, some), rows(some, np.zeros_like(some)), metrics)
    decided = truth.sum(axis=0) + given.sum(axis=0, dtype=np.float64)
    return Tallies(quality, calibration, (truth == given).all(1), truth != given, decided, "subset_accuracy")


def micro_f1(truth: Flags, given: Flags) -> float:
    """Return the F1 of all decisions together."""
    both, total = float((truth & given).sum()), float(truth.sum() + given.sum())
    return 2 * both / total if total else 0.0


def _per_text(truth: Flags, given: Flags) -> dict[str, Counts]:
    both, actual, predicted = (part.sum(1).astype(np.float64) for part in (truth & given, truth, given))
    return {
        "subset_accuracy": (truth == given).all(1).astype(np.float64),
        "hamming": (truth != given).mean(1),
        "samples_precision": ratio(both, predicted),
        "samples_recall": ratio(both, actual),
        "samples_f1": ratio(2 * both, actual + predicted),
    }


def _metrics(counts: LabelCounts) -> dict[str, float]:
    return {name: float(value) for name, value in _of_labels(counts).items()}


def _of_labels(counts: LabelCounts) -> dict[str, Counts]:
    micro = counts.micro()
    parts = {"precision": LabelCounts.precision, "recall": LabelCounts.recall, "f1": LabelCounts.f1}
    found: dict[str, Counts] = {}
    for name, part in parts.items():
        found[f"micro_{name}"] = part(micro)[..., 0]
        found[f"macro_{name}"] = counts.macro(part(counts))
        found[f"weighted_{name}"] = counts.weighted(part(counts))
    return found


_ORDER = ("micro_f1", "macro_f1", "samples_f1", "weighted_f1", "subset_accuracy", "hamming")


def _in_order(values: dict[str, Value]) -> dict[str, Value]:
    """Return the values with the most quoted metrics first."""
    return {name: values[name] for name in (*_ORDER, *sorted(set(values) - set(_ORDER)))}


def _intervals(truth: Flags, given: Flags, texts: dict[str, Counts]) -> dict[str, Interval]:
    n = len(truth)
    tables = [part.astype(np.float32) for part in (truth, given, truth & given)]
    rows = np.stack(list(texts.values()), axis=1).astype(np.float32)
    found: dict[str, list[Counts]] = {}
    for draws in resamples(n):
        counts = LabelCounts(*((draws @ table).astype(np.float64) for table in tables))
        means = dict(zip(texts, (draws @ rows / n).T.astype(np.float64), strict=True))
        for name, values in {**_of_labels(counts), **means}.items():
            found.setdefault(name, []).append(values)
    return {name: percentiles(np.concatenate(values)) for name, values in found.items()}


def _calibration(truth: Flags, scores: Counts) -> Calibration:
    """Return how well each label's score matches how often the label is right, over all decisions.

    ECE is over equal-width bins of the score; Brier is the mean squared difference, from 0 to 1.
    """
    bins = reliability_bins(scores.ravel(), truth.ravel())
    return Calibration(calibration_error(bins), float(((scores - truth) ** 2).mean()), bins)


def _never_given(counts: LabelCounts, labels: Sequence[str]) -> list[str]:
    silent = [
        label for label, had, gave in zip(labels, counts.actual, counts.predicted, strict=True) if had and not gave
    ]
    if not silent:
        return []
    shown = ", ".join(silent[:10]) + (" …" if len(silent) > 10 else "")
    return [f"{len(silent)} labels that occur in the test part were never given: {shown}. They have too few texts."]
