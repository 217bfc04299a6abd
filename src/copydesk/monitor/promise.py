"""What a model's confidence was worth on held-out texts, and so what it promises of texts that nobody has labelled.

Two corrections, which docs/LOG.md compares with others. Confidence is calibrated anew for whole answers, by a logistic
curve in its logit (Platt 1999). And where each text has one label, the shares of the true labels are estimated from
those that were given (Saerens, Latinne & Decaestecker 2002; here from answers alone, with the reference's shares as
prior): a model that knows one label worse is right less often where that label has become frequent, and its confidence
does not show it.

Neither sees that the right answers have changed, nor that texts are of a kind on which the model is sure and wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CLOSE = 1e-6
"""Confidence stays so far from 0 and 1, where it has no logit."""
_PRIOR = 50.0
"""The reference's shares of labels weigh as much as so many answers."""
_HALF = 0.5
_STEPS, _ROUNDS = 50, 500
_MOST_LABELS = 300
"""Of more labels the shares cannot be told from a few thousand held-out texts."""


@dataclass(frozen=True)
class Promise:
    """What `n` held-out answers showed, of which the share `accuracy` was right.

    `counts`, shape (labels, labels), are the answers by label given and true label; `surplus`, of the same shape, how
    many more of them were right than their calibrated confidence said. Both are empty where a text may have several.
    """

    n: int
    accuracy: float
    intercept: float
    slope: float
    labels: tuple[str, ...]
    counts: Floats
    surplus: Floats

    def calibrated(self) -> pl.Expr:
        """Return the column `confidence` as the probability that the answer is right."""
        close = pl.col("confidence").cast(pl.Float64).clip(_CLOSE, 1 - _CLOSE)
        logit = self.intercept + self.slope * (close / (1 - close)).log()
        return 1 / (1 + (-logit).exp())

    def shares(self, calibrated: Mapping[str, float], given: Mapping[str, int]) -> dict[str, float]:
        """Return for each label given the share of right answers to expect.

        `calibrated` is each label's mean calibrated confidence, `given` how often it was given; a label that is new
        here has nothing but its confidence.
        """
        weights = self._weights(given)
        found = {}
        for label, mean in calibrated.items():
            surplus = 0.0
            if label in self.labels:
                place = self.labels.index(label)
                held = float(self.counts[place] @ weights)
                # a label that was given to few held-out texts goes by what all of them showed
                surplus = (float(self.surplus[place] @ weights) + _PRIOR * self._mean(weights)) / (held + _PRIOR)
            found[label] = float(np.clip(mean + surplus, 0, 1))
        return found

    def share(self, calibrated: float, given: Mapping[str, int]) -> float:
        """Return the share of right answers to expect of all, from their mean calibrated confidence."""
        return float(np.clip(calibrated + self._mean(self._weights(given)), 0, 1))

    def _mean(self, weights: Floats) -> float:
        held = float((self.counts @ weights).sum())
        return float((self.surplus @ weights).sum()) / held if held else 0.0

    def _weights(self, given: Mapping[str, int]) -> Floats:
        """Return how much more frequent each true label has become since the reference."""
        if not self.labels:
            return np.empty(0)
        before = self.counts.sum(axis=0)
        before = (before + _HALF) / (before + _HALF).sum()
        smoothed = self.counts + _HALF / len(self.labels)
        given_if = smoothed / smoothed.sum(axis=0)
        now = np.array([given.get(label, 0) for label in self.labels], np.float64)
        shares = before
        for _ in range(_ROUNDS):
            true_if = given_if * shares
            new = now @ (true_if / true_if.sum(axis=1, keepdims=True)) + _PRIOR * before
            moved, shares = np.abs(new / new.sum() - shares).max(), new / new.sum()
            if moved < _CLOSE:
                break
        ratio: Floats = shares / before
        return ratio

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; the tables as their entries that are not 0."""
        cells = np.argwhere(self.counts).tolist()
        table = [[row, column, self.counts[row, column], self.surplus[row, column]] for row, column in cells]
        return {**vars(self), "labels": list(self.labels), "counts": table, "surplus": None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Promise:
        """Rebuild what `to_json` made. Raises `KeyError`, `TypeError`, `ValueError`, `IndexError` for anything else."""
        labels = tuple(map(str, value["labels"]))
        counts, surplus = np.zeros((2, len(labels), len(labels)))
        for row, column, count, more in value["counts"]:
            counts[row, column], surplus[row, column] = count, more
        accuracy, intercept, slope = (float(value[name]) for name in ("accuracy", "intercept", "slope"))
        return cls(int(value["n"]), accuracy, intercept, slope, labels, counts, surplus)


def promise_of(
    confidence: Floats, right: NDArray[np.bool_], given: Sequence[str] = (), truth: Sequence[str] = ()
) -> Promise:
    """Return what held-out answers showed; `given` and `truth` are their labels where each text has one."""
    intercept, slope = _platt(confidence, right)
    calibrated = _logistic(intercept + slope * _logit(confidence))
    labels = tuple(sorted({*given, *truth}))
    if len(labels) > _MOST_LABELS:
        labels = ()
    counts, surplus = np.zeros((2, len(labels), len(labels)))
    if labels:
        place = {label: number for number, label in enumerate(labels)}
        cells = ([place[label] for label in given], [place[label] for label in truth])
        np.add.at(counts, cells, 1.0)
        np.add.at(surplus, cells, right - calibrated)
    return Promise(len(right), float(right.mean()), intercept, slope, labels, counts, surplus)


def _platt(confidence: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return intercept and slope of the logistic regression of `right` on the logit, by Newton's method.

    A weak prior keeps it near 0 and 1 where few or flawless answers say little, as in temperature scaling. A step that
    makes things worse is halved.
    """
    columns = np.stack([np.ones(len(right)), _logit(confidence)], axis=1)
    usual = np.array([0.0, 1.0])

    def loss(at: Floats) -> float:
        found = columns @ at
        return float((np.logaddexp(0, found) - right * found).sum() + ((at - usual) ** 2).sum() / 2)

    weights = usual
    for _ in range(_STEPS):
        chance = _logistic(columns @ weights)
        slope = columns.T @ (right - chance) - (weights - usual)
        curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.eye(2)
        step = np.linalg.solve(curvature, slope)
        while loss(weights + step) > loss(weights) and np.abs(step).max() > _CLOSE:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() < _CLOSE:
            break
    return float(weights[0]), float(weights[1])


def _logit(share: Floats) -> Floats:
    close = np.clip(np.asarray(share, np.float64), _CLOSE, 1 - _CLOSE)
    result: Floats = np.log(close / (1 - close))
    return result


def _logistic(values: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(0.5 * values))  # without overflow
    return result
