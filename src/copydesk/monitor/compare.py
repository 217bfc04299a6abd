"""How much two samples of counts, numbers or vectors differ, and how probable that is without any change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

_EXPECTED = 5.0
"""Categories that are expected less often in a window are counted together."""
_HALF = 0.5

Floats = NDArray[np.float32]
Counts = NDArray[np.float64]


def stability_index(before: Counts, now: Counts) -> float:
    """Return the population stability index of two lists of counts, each with half a text more in every place."""
    first = (before + _HALF) / (before + _HALF).sum()
    second = (now + _HALF) / (now + _HALF).sum()
    return float(((second - first) * np.log(second / first)).sum())


def divergence(before: Counts, now: Counts) -> float:
    """Return the Jensen-Shannon divergence of two lists of counts in bits, 0 to 1; 0 where one is empty."""
    if not before.sum() or not now.sum():
        return 0.0
    first, second = before / before.sum(), now / now.sum()
    middle = (first + second) / 2

    def against(part: Counts) -> float:
        some = part > 0
        return float((part[some] * np.log2(part[some] / middle[some])).sum())

    return (against(first) + against(second)) / 2


def homogeneity_p_value(before: Counts, now: Counts) -> float:
    """Return the p-value of Pearson's chi-squared test that two lists of counts have the same shares."""
    before, now = pooled(before, now)
    if len(now) < 2 or not now.sum() or not before.sum():
        return 1.0
    table = np.stack([before, now])
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    return float(chdtrc(len(now) - 1, ((table - expected) ** 2 / expected).sum()))


def pooled(before: Counts, now: Counts) -> tuple[Counts, Counts]:
    """Count together what is expected fewer than five times in the window, too rarely to be judged alone."""
    expected = (before + now) / max(float((before + now).sum()), 1.0) * now.sum()
    rare = expected < _EXPECTED
    if rare.sum() < 2:
        return before[expected > 0], now[expected > 0]
    return np.append(before[~rare], before[rare].sum()), np.append(now[~rare], now[rare].sum())


def ks_test(before: Floats, now: Floats) -> tuple[float, float]:
    """Return the greatest distance of two samples' cumulative distributions, and its p-value.

    The p-value is Stephens's (1970) approximation for two samples; where values are equal it is too large, not too
    small.
    """
    first, second = np.sort(before), np.sort(now)
    both = np.concatenate([first, second])
    shares = [np.searchsorted(part, both, side="right") / len(part) for part in (first, second)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    size = np.sqrt(len(first) * len(second) / (len(first) + len(second)))
    return distance, float(kolmogorov((size + 0.12 + 0.11 / size) * distance))


def discrimination(before: Floats, now: Floats) -> float:
    """Return how well a linear classifier tells two samples of vectors apart, as its AUC; 0.5 is chance.

    Fisher's discriminant, fitted to one half of each sample and judged on the other, both ways.
    """
    halves = [(before[side::2], now[side::2]) for side in (0, 1)]
    areas = []
    for fitted, judged in (halves, halves[::-1]):
        direction = discriminant(*fitted)
        areas.append(_area(judged[0] @ direction, judged[1] @ direction))
    return float(np.mean(areas))


def discriminant(before: Floats, now: Floats) -> Counts:
    """Return the direction, shape (dimensions,), in which two samples of vectors differ most (Fisher 1936)."""
    covariance = np.atleast_2d(np.cov(before.astype(np.float64), rowvar=False))
    ridge = np.trace(covariance) / len(covariance) + 1e-9
    difference = now.mean(axis=0, dtype=np.float64) - before.mean(axis=0, dtype=np.float64)
    solved: Counts = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), difference)
    return solved


def _area(before: Counts, now: Counts) -> float:
    """Return the probability that a value of now is above one of before; ties count half (Mann & Whitney 1947)."""
    ordered = np.sort(before)
    below = np.searchsorted(ordered, now, side="left") + np.searchsorted(ordered, now, side="right")
    return float(below.mean() / (2 * len(before)))
