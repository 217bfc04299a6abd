"""Where words stand to each other: a short vector for each word of the training texts, so that like words are near.

Taken from an encoder's own table of tokens where there is one, else from which words share training texts (latent
semantic analysis, Deerwester et al. 1990). Only these vectors are kept: nothing is run to measure a text. A word has
one vector whatever stands around it, and a word that training did not have has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_SPARE = 10
_ROUNDS = 4
_STEPS = 127

Floats = NDArray[np.float32]
Steps = NDArray[np.int8]


def word_vectors(weights: csr_matrix, table: Floats | None, dimensions: int) -> Steps:
    """Return a vector of so many steps from -127 to 127 for each word, shape (words, dimensions).

    `weights` has shape (texts, words), rows of length 1; `table` a vector for each word, shape (words, any).
    """
    found = shared_company(weights, dimensions) if table is None else main_directions(weights, table, dimensions)
    largest = float(np.abs(found).max(initial=0))
    if not largest:
        return np.zeros((found.shape[0], dimensions), np.int8)
    steps = np.zeros((found.shape[0], dimensions), np.int8)
    steps[:, : found.shape[1]] = np.rint(found * (_STEPS / largest))
    return steps


def shared_company(weights: csr_matrix, dimensions: int, seed: int = 0) -> Floats:
    """Return right singular vectors times their values, shape (words, up to `dimensions`), by Halko et al. (2011)."""
    random = np.random.default_rng(seed)
    basis = weights.T @ random.normal(size=(weights.shape[0], dimensions + _SPARE))
    for _ in range(_ROUNDS):
        basis = weights.T @ (weights @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    _, values, turned = np.linalg.svd(weights @ basis, full_matrices=False)
    found: Floats = (basis @ (values[:, None] * turned)[:dimensions].T).astype(np.float32)
    return found


def main_directions(weights: csr_matrix, table: Floats, dimensions: int) -> Floats:
    """Return a table of vectors in the directions in which texts differ most, shape (words, up to `dimensions`)."""
    texts = np.asarray(weights @ table, np.float64)
    texts /= np.maximum(np.linalg.norm(texts, axis=1, keepdims=True), 1e-9)
    directions = np.linalg.eigh(np.atleast_2d(np.cov(texts, rowvar=False)))[1][:, ::-1][:, :dimensions]
    found: Floats = table @ directions.astype(np.float32)
    return found
