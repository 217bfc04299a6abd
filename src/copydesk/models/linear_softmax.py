"""Multinomial logistic regression on a large sparse matrix, learnt from how much of each text belongs to each label.

Objective, optimiser (L-BFGS) and stopping rule are those of scikit-learn's `LogisticRegression`, and so is what it
finds. That one makes a copy of the matrix in float64 at every step, and takes shares of a text only as rows of their
own: three to six times the memory. Here the matrix is gone through part by part, and a text is one row whatever its
labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.special import logsumexp

_ENTRIES = 4_000_000
"""So many of the matrix's entries are in float64 at a time."""
_MAXIMUM_ITERATIONS = 200
_TOLERANCE = 1e-4

Matrix = Any
Shares = NDArray[np.float32]
Flat = NDArray[np.float64]


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
        for rows, wanted in parts:
            value += _add_part(rows, wanted, coefficients, slope)
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


def _add_part(rows: Matrix, wanted: Shares, coefficients: Flat, slope: Flat) -> float:
    """Return the part's cross-entropy, and add its slope."""
    logits = rows @ coefficients[:-1].astype(np.float32) + coefficients[-1]
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    weight = wanted.sum(axis=1, keepdims=True, dtype=np.float64)
    normaliser = logsumexp(logits, axis=1, keepdims=True)
    residual = weight * np.exp(logits - normaliser) - wanted
    residual = residual[:, -slope.shape[1] :]
    slope[:-1] += rows.T @ residual.astype(np.float32)
    slope[-1] += residual.sum(axis=0)
    return float(np.vdot(weight, normaliser) - np.vdot(wanted, logits))


def _parts(matrix: Matrix, shares: Shares) -> list[tuple[Matrix, Shares]]:
    """Cut the rows into parts that share their memory with the matrix."""
    wanted = np.arange(_ENTRIES, matrix.nnz, _ENTRIES)
    cuts = np.unique([0, *np.searchsorted(matrix.indptr, wanted), matrix.shape[0]])
    parts = []
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        ends = matrix.indptr[start : stop + 1]
        inside = slice(ends[0], ends[-1])
        shape = (stop - start, matrix.shape[1])
        rows = sparse.csr_matrix((matrix.data[inside], matrix.indices[inside], ends - ends[0]), shape=shape)
        parts.append((rows, shares[start:stop]))
    return parts
