"""What metrics are made of: a row of numbers per text, of whose sums every metric is a function.

So a metric of any resample of the texts is one matrix product away, and two models that answered the same texts can be
compared on the same resamples (`bootstrap.py`). It does not know what a text or a model is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.base import Counts, Flags, ratio

LOWER_IS_BETTER = frozenset({"hamming", "score_mae", "ece", "brier"})
"""Metrics that count what is wrong."""
_BINS = 10
_POOL = 1_000


@dataclass(frozen=True)
class Tally:
    """A model's answers to some texts as rows to sum, shape (n, columns), and the metrics of such sums.

    `metrics` takes sums of shape (..., columns). `best` and `worst` are the rows that right answers and no answers to
    the texts of a `pool` would have: what an imagined text may add.
    """

    rows: Counts
    best: Counts
    worst: Counts
    metrics: Callable[[Counts], dict[str, Counts]]

    def figures(self) -> dict[str, float]:
        """Return the metrics of all texts."""
        sums = self.rows.sum(0, dtype=np.float64)
        return {name: float(value) for name, value in self.metrics(sums).items()}


@dataclass(frozen=True)
class Tallies:
    """Everything that is compared of a model's answers to n texts.

    `right`, shape (n,), tells which answers are wholly right, and `share` names the metric that is their share (empty:
    none is). `mistaken`, shape (n, labels), tells where the decision about a label is wrong, `decided` how often a
    label was due and how often given, shape (labels,). Without calibrated scores there is no `calibration`.
    """

    quality: Tally
    calibration: Tally | None
    right: Flags
    mistaken: Flags
    decided: Counts
    share: str = ""

    def figures(self) -> dict[str, float]:
        """Return every metric of all texts, calibration included."""
        return {**self.quality.figures(), **(self.calibration.figures() if self.calibration else {})}

    def holding(self, metric: str) -> Tally:
        """Return the tally that a metric is of. Raises `KeyError` if there is none."""
        for tally in (self.quality, self.calibration):
            if tally is not None and metric in tally.figures():
                return tally
        raise KeyError(metric)


def pool(texts: int) -> NDArray[np.int64]:
    """Return the places of the texts that may be imagined once more: all, or a thousand of many."""
    return np.linspace(0, texts - 1, min(texts, _POOL)).astype(np.int64)


def calibration_tally(scores: Counts, true: Flags, errors: Counts) -> Tally:
    """Return the tally of ECE and Brier score.

    `scores`, shape (n, decisions), are how sure each decision was, `true`, of the same shape, whether it came true;
    `errors`, shape (n,), each text's squared error. As in `single.calibration_of` and `multi`, over equal-width bins.
    """
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    inside = [bins == number for number in range(_BINS)]
    columns = [values for own in inside for values in (own.sum(1), (scores * own).sum(1), (true * own).sum(1))]
    rows = np.stack([*columns, errors, np.ones(len(scores))], axis=1).astype(np.float64)
    nothing = np.zeros((len(pool(len(rows))), rows.shape[1]))
    return Tally(rows, nothing, nothing, _calibration)


def _calibration(sums: Counts) -> dict[str, Counts]:
    binned = sums[..., : 3 * _BINS].reshape(*sums.shape[:-1], _BINS, 3)
    distance = np.abs(binned[..., 1] - binned[..., 2]).sum(-1)
    return {"ece": ratio(distance, binned[..., 0].sum(-1)), "brier": ratio(sums[..., -2], sums[..., -1])}
