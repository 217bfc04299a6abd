"""Fitting the linear model: one estimator per head of the task's outputs.

A softmax is one multinomial logistic regression (`linear_softmax.py`), sigmoids are one logistic regression per label,
a tanh is a ridge regression on the score's inverse (both scikit-learn's). A text that has a label with probability p
stands for p of a text with the label. Only training imports this.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import MissingExtra
from copydesk.models.cores import allowed_cores
from copydesk.models.linear_features import Floats
from copydesk.models.linear_matrix import Matrix
from copydesk.models.linear_softmax import fit_softmax
from copydesk.tasks import Head, Targets

try:
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("Training", "train", "scikit-learn") from None

_LABEL_TOLERANCE = 1e-2
"""Each of many labels is fitted less exactly: their thresholds are tuned afterwards anyway."""
_LARGEST_SCORE = 0.97
_NEVER = -10.0
_LEAST_SHARE = 0.02
"""What a text belongs to by less than this is not worth another row of the matrix."""
_DOUBTFUL, _DOUBT_PENALTY = 0.1, 9.0
"""From this share of doubt on the penalty is so much larger: weights that fit doubt fit accidents (docs/LOG.md)."""

Columns = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Weights, shape (features, columns), and a bias per column."""


def fit_heads(
    matrix: Matrix, targets: Targets, heads: Sequence[Head], *, strength: float, balanced: bool
) -> tuple[Floats, Floats]:
    """Return weights, shape (features, columns), and biases; two exclusive labels alone share one column."""
    columns = targets.reshape(len(targets), -1)
    parts = [_FITTERS[head.kind](matrix, columns, head, strength, balanced) for head in heads]
    weights = np.concatenate([weights for weights, _ in parts], axis=1)
    bias = np.concatenate([bias for _, bias in parts])
    if len(bias) == 2 and heads[0].kind == "softmax":
        weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    return weights.astype(np.float32), bias.astype(np.float32)


def _fit_softmax(matrix: Matrix, columns: Targets, head: Head, strength: float, balanced: bool) -> Columns:
    shares = np.nan_to_num(head.shares(columns), copy=False)  # an unknown text counts for no label
    counts = shares.sum(axis=0, dtype=np.float64)
    weights, bias = np.zeros((matrix.shape[1], head.size)), np.full(head.size, _NEVER)
    there = np.flatnonzero(counts)
    if len(there) < 2:  # nothing to tell apart: always the only one, or the first
        bias[there if len(there) else 0] = 0.0
        return weights, bias
    doubt = 1 - shares.max(axis=1).mean() if head.soft else 0.0
    shares = shares if len(there) == head.size else shares[:, there]
    if balanced:
        shares = shares * (counts.sum() / len(there) / counts[there]).astype(np.float32)
    found, offset = fit_softmax(matrix, shares, _restrained(strength, doubt))
    if len(there) == 2:
        found, offset = np.concatenate([-found, found], axis=1) / 2, np.concatenate([-offset, offset]) / 2
    weights[:, there] = found
    bias[:] = offset.min() + _NEVER  # a label without a training row keeps the lowest score
    bias[there] = offset
    return weights, bias


def _restrained(strength: float, doubt: float) -> float:
    """Return the strength for labels of which this share is in doubt, 0 to 1."""
    return strength / (1 + _DOUBT_PENALTY * min(doubt / _DOUBTFUL, 1.0))


def _fit_sigmoids(matrix: Matrix, columns: Targets, head: Head, strength: float, balanced: bool) -> Columns:
    wanted = columns[:, head.columns]

    def fit(place: int) -> Columns:
        return _fit_one_sigmoid(matrix, wanted[:, place], strength, balanced)

    with warnings.catch_warnings(), ThreadPoolExecutor(allowed_cores()) as pool:  # liblinear lets other threads run
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: the thresholds are tuned afterwards
        parts = list(pool.map(fit, range(head.size)))
    return np.stack([weights for weights, _ in parts], axis=1)[:, :, 0], np.concatenate([bias for _, bias in parts])


def _fit_one_sigmoid(matrix: Matrix, wanted: Targets, strength: float, balanced: bool) -> Columns:
    """Fit one label; a text that has it with a probability between stands on both sides, with that weight on each."""
    present, weights, doubt = wanted > 0.5, None, 0.0
    both = np.flatnonzero((wanted >= _LEAST_SHARE) & (wanted <= 1 - _LEAST_SHARE))
    if len(both):
        surer = np.ones(len(wanted))
        surer[both] = np.maximum(wanted[both], 1 - wanted[both])
        matrix = sparse.vstack([matrix, matrix[both]], format="csr")
        present, weights = np.append(present, ~present[both]), np.append(surer, 1 - surer[both])
        doubt = (1 - surer).sum() / wanted.sum()
    share = present.mean()
    if share in (0, 1):
        return np.zeros((matrix.shape[1], 1)), np.array([_NEVER if share == 0 else -_NEVER])
    regression = LogisticRegression(
        C=_restrained(strength, doubt),
        solver="liblinear",
        dual=True,
        tol=_LABEL_TOLERANCE,
        random_state=0,
        class_weight="balanced" if balanced else None,
    )
    regression.fit(matrix, present, weights)
    return regression.coef_.T, regression.intercept_


def _fit_tanh(matrix: Matrix, columns: Targets, head: Head, strength: float, balanced: bool) -> Columns:
    wanted = columns[:, head.target].astype(np.float64)
    known = np.flatnonzero(~np.isnan(wanted))
    if not len(known):
        return np.zeros((matrix.shape[1], 1)), np.zeros(1)
    ridge = Ridge(alpha=1 / strength, solver="lsqr")
    ridge.fit(matrix[known], np.arctanh(np.clip(wanted[known], -_LARGEST_SCORE, _LARGEST_SCORE)))
    return ridge.coef_[:, None], np.array([ridge.intercept_])


_FITTERS = {"softmax": _fit_softmax, "sigmoid": _fit_sigmoids, "tanh": _fit_tanh}
