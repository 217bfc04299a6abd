"""Multinomial logistic regression on a large sparse matrix, learnt from how much of each text belongs to each label.

Objective, optimiser (L-BFGS) and stopping rule are those of scikit-learn's `LogisticRegression`, and so is what it
finds. That one copies the matrix to float64 at every step, and takes a text's shares of labels only as rows of their
own: several times the memory. Here the matrix is gone through part by part, without a copy, and a text is one row
whatever its labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.special import logsumexp

_ENTRIES = 4_000_000
"""So many of the matrix's entries are summed in float32, and the sums in float64."""
_MAXIMUM_ITERATIONS = 200
_TOLERANCE = 1e-4

Matrix = Any
Shares = NDArray[np.float32]
Flat = NDArray[np.float64]


@dataclass(frozen=True)
class _Part:
    """Some rows of the matrix, the same turned (features, texts), and how much they count; no array is a copy."""

    rows: Matrix
    turned: Matrix
    shares: Shares


def fit_softmax(matrix: Matrix, shares: Shares, strength: float) -> tuple[Flat, Flat]:
    """Return weights, shape (features, columns), and a bias per column; two labels have one, the second's.

    `shares`, shape (texts, labels), say how much each text counts for each label; a text may count for none.
    `strength` is 1 / L2 penalty (scikit-learn's C).
    """
    columns = shares.shape[1] if shares.shape[1] > 2 else 1
    parts, total = _parts(matrix, shares), float(shares.sum(dtype=np.float64))

    def loss(flat: Flat) -> tuple[float, Flat]:
        coefficients = flat.reshape(-1, columns)
        slope = np.zeros_like(coefficients)
        slope[:-1] = coefficients[:-1] / strength
        value = 0.5 * float(np.vdot(coefficients[:-1], slope[:-1]))
        for part in parts:
            value += _add_part(part, coefficients, slope)
        return value / total, slope.ravel() / total

    found = optimize.minimize(
        loss,
        np.zeros((matrix.shape[1] + 1) * columns),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _MAXIMUM_ITERATIONS,
            "maxls": 50,
            "gtol": _TOLERANCE,
            "ftol": 64 * np.finfo(np.float64).eps,
        },
    )
    coefficients = found.x.reshape(-1, columns)
    return coefficients[:-1], coefficients[-1]


def _add_part(part: _Part, coefficients: Flat, slope: Flat) -> float:
    """Return the part's cross-entropy, and add its slope."""
    logits = part.rows @ coefficients[:-1].astype(np.float32) + coefficients[-1]
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    weight = part.shares.sum(axis=1, keepdims=True, dtype=np.float64)
    normaliser = logsumexp(logits, axis=1, keepdims=True)
    residual = weight * np.exp(logits - normaliser) - part.shares
    residual = residual[:, -slope.shape[1] :]
    slope[:-1] += part.turned @ residual.astype(np.float32)
    slope[-1] += residual.sum(axis=0)
    return float(np.vdot(weight, normaliser) - np.vdot(part.shares, logits))


def _parts(matrix: Matrix, shares: Shares) -> list[_Part]:
    """Cut the rows into parts."""
    wanted = np.arange(_ENTRIES, matrix.nnz, _ENTRIES)
    cuts = np.unique([0, *np.searchsorted(matrix.indptr, wanted), matrix.shape[0]])
    parts = []
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        ends = matrix.indptr[start : stop + 1]
        inside, size = slice(ends[0], ends[-1]), stop - start
        arrays = matrix.data[inside], matrix.indices[inside], ends - ends[0]
        rows = _view(sparse.csr_matrix((size, matrix.shape[1]), dtype=matrix.dtype), *arrays)
        turned = _view(sparse.csc_matrix((matrix.shape[1], size), dtype=matrix.dtype), *arrays)
        parts.append(_Part(rows, turned, shares[start:stop]))
    return parts


def _view(empty: Matrix, data: NDArray[np.float32], indices: NDArray[np.integer], ends: NDArray[np.integer]) -> Matrix:
    """Return the matrix with these arrays; scipy's own ways to make one copy a part of a larger array."""
    empty.data, empty.indices, empty.indptr = data, indices, ends
    return empty
