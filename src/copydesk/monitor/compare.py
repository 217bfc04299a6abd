"""How much two samples of counts, numbers or vectors differ, and how probable that is without any change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln, kolmogorov

_EXPECTED = 5.0
"""Categories that are expected less often in one of the samples are counted together."""
_HALF = 0.5
_BINS = 10
_ROUNDING = 1e-9

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


def tenths(values: Floats) -> Floats:
    """Return the borders between the tenths of some numbers, from the lowest; where tenths are equal, fewer."""
    found: Floats = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return found


def binned(values: Floats, borders: Floats) -> Counts:
    """Return how many numbers lie between the borders, each border in the bin below it."""
    counts = np.bincount(np.searchsorted(borders, values, side="left"), minlength=len(borders) + 1)
    return counts.astype(np.float64)


def homogeneity_p_value(before: Counts, now: Counts) -> float:
    """Return the p-value of the test that two lists of counts have the same shares.

    Pearson's chi-squared test; Fisher's exact one where two categories are left, one of them rare.
    """
    before, now = pooled(before, now)
    if len(now) < 2 or not now.sum() or not before.sum():
        return 1.0
    table = np.stack([before, now])
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    if len(now) == 2 and expected.min() < _EXPECTED:
        return _fishers_p_value(table)
    return float(chdtrc(len(now) - 1, ((table - expected) ** 2 / expected).sum()))


def pooled(before: Counts, now: Counts) -> tuple[Counts, Counts]:
    """Count together what one of the samples is expected to hold fewer than five times, too rarely to be judged alone.

    What is still rare then is counted with the next rarest, as long as two others are left.
    """
    order = np.argsort(-(before + now), kind="stable")
    before, now = before[order], now[order]
    total = before + now
    expected = total / max(float(total.sum()), 1.0) * min(before.sum(), now.sum())
    first = int((expected >= _EXPECTED).sum())
    if 0 < expected[first:].sum() < _EXPECTED and first > 1:
        first -= 1
    if not expected[first:].sum():
        return before[:first], now[:first]
    return np.append(before[:first], before[first:].sum()), np.append(now[:first], now[first:].sum())


def _fishers_p_value(table: Counts) -> float:
    """Return the probability of this table of two rows and columns and of all that are no more probable."""
    rows, columns, n = table.sum(1), table.sum(0), table.sum()
    counts = np.arange(max(0.0, rows[1] + columns[1] - n), min(rows[1], columns[1]) + 1)
    cells = [counts, rows[1] - counts, columns[1] - counts, n - rows[1] - columns[1] + counts]
    unlikely = sum(gammaln(cell + 1) for cell in cells)
    probabilities = np.exp(unlikely.min() - unlikely)
    seen = probabilities[int(table[1, 1] - counts[0])]
    return float(probabilities[probabilities <= seen * (1 + _ROUNDING)].sum() / probabilities.sum())


def ks_test(before: Floats, now: Floats) -> tuple[float, float]:
    """Return the greatest distance of two samples' cumulative distributions, and its p-value.

    The p-value is Stephens's (1970) approximation for two samples; where values are equal it is too large, not too
    small. Of an empty sample nothing is said.
    """
    if not len(before) or not len(now):
        return 0.0, 1.0
    first, second = np.sort(before), np.sort(now)
    both = np.concatenate([first, second])
    shares = [np.searchsorted(part, both, side="right") / len(part) for part in (first, second)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    size = np.sqrt(len(first) * len(second) / (len(first) + len(second)))
    return distance, float(kolmogorov((size + 0.12 + 0.11 / size) * distance))


@dataclass(frozen=True)
class Cloud:
    """The mean of n vectors and their covariance."""

    n: int
    mean: Counts
    covariance: Counts

    @classmethod
    def of(cls, vectors: Floats) -> Cloud:
        """Return that of some vectors, shape (n, dimensions)."""
        exact = vectors.astype(np.float64)
        return cls(len(vectors), exact.mean(axis=0), np.atleast_2d(np.cov(exact, rowvar=False)))


def mean_shift_p_value(before: Cloud, now: Cloud) -> float:
    """Return the p-value of the distance between the means of two samples of vectors.

    It is the maximum mean discrepancy with a linear kernel (Gretton et al. 2012). Without a change its square is a sum
    of squared normal variables, weighted by the eigenvalues of the covariance; the tail of that is taken from its first
    three moments (Buckley & Eagleson 1988), as permutations would find it and to where they would have to be millions.
    """
    shift = before.mean - now.mean
    within = (before.n * before.covariance + now.n * now.covariance) / (before.n + now.n)
    weights = np.linalg.eigvalsh(within).clip(0)
    mean, squares, cubes = (float((weights**power).sum()) for power in (1, 2, 3))
    if not squares:
        return float(not shift.any())
    distance = float(shift @ shift) / (1 / before.n + 1 / now.n)
    freedom = squares**3 / cubes**2
    return float(chdtrc(freedom, max(0.0, freedom + (distance - mean) * np.sqrt(freedom / squares))))


def discrimination(before: Floats, now: Floats, covariance: Counts) -> float:
    """Return how well a linear classifier tells two samples of vectors apart, as its AUC; 0.5 is chance.

    Fisher's discriminant, fitted to one half of each sample and judged on the other, both ways. `covariance` is that of
    the first sample.
    """
    halves = [(before[side::2], now[side::2]) for side in (0, 1)]
    apart = np.stack([second.mean(axis=0) - first.mean(axis=0) for first, second in halves], axis=1)
    directions = _solved(covariance, apart).astype(np.float32)
    pairs = zip(halves[::-1], directions.T, strict=True)
    return float(np.mean([_area(first @ direction, second @ direction) for (first, second), direction in pairs]))


def discriminant(before: Floats, now: Floats) -> Counts:
    """Return the direction, shape (dimensions,), in which two samples of vectors differ most (Fisher 1936)."""
    cloud = Cloud.of(before)
    return _solved(cloud.covariance, now.mean(axis=0, dtype=np.float64) - cloud.mean)


def _solved(covariance: Counts, apart: Counts) -> Counts:
    ridge = np.trace(covariance) / len(covariance) + 1e-9
    solved: Counts = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), apart)
    return solved


def _area(before: Floats, now: Floats) -> float:
    """Return the probability that a value of now is above one of before; ties count half (Mann & Whitney 1947)."""
    ordered = np.sort(before)
    below = np.searchsorted(ordered, now, side="left") + np.searchsorted(ordered, now, side="right")
    return float(below.mean() / (2 * len(before)))
