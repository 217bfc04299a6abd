"""Texts -> the matrix that the linear model is fitted to: n-grams by text, weighted and scaled.

It is built from some texts at a time into arrays that are made once, so that beside the matrix (8 bytes for each
n-gram of a text, about 800 for a headline) nothing is large. Only training imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import MissingExtra
from copydesk.models.linear_features import Features, Floats, Indices, slot_table
from copydesk.ngrams import chunked

try:
    from scipy import sparse
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("Training", "train", "scipy") from None

_MINIMUM_DOCUMENTS = 2

Matrix = Any


def matrix_of(features: Features, texts: Sequence[str]) -> tuple[Matrix, list[Indices], list[Floats]]:
    """Return the texts' CSR matrix, and per block the buckets that occur and their weights."""
    frequencies, entries = _document_frequencies(features, texts)
    known = [np.flatnonzero(frequency >= _MINIMUM_DOCUMENTS) for frequency in frequencies]
    weights_of = [
        (np.log(len(texts) / frequency[kept]) + 1).astype(np.float32)
        for frequency, kept in zip(frequencies, known, strict=True)
    ]
    tables = [slot_table(features, kept) for kept in known]
    data, columns = np.empty(entries, np.float32), np.empty(entries, np.int32)  # what stays empty takes no memory
    ends = np.zeros(len(texts) + 1, np.int64)
    row = 0
    for chunk in chunked(texts):
        blocks = zip(features.blocks(chunk), tables, weights_of, strict=True)
        part = sparse.hstack(
            [_block(table[buckets], owner, count, idf) for (buckets, owner, count), table, idf in blocks], format="csr"
        )
        filled = slice(ends[row], ends[row] + part.nnz)
        data[filled], columns[filled] = part.data, part.indices
        ends[row + 1 : row + 1 + len(chunk)] = ends[row] + part.indptr[1:]
        row += len(chunk)
    if ends[-1] <= np.iinfo(np.int32).max:
        ends = ends.astype(np.int32)  # as wide as the columns' numbers: else scipy copies these
    shape = (len(texts), sum(kept.size for kept in known))
    matrix = sparse.csr_matrix((data[: ends[-1]], columns[: ends[-1]], ends), shape=shape)
    return matrix, known, weights_of


def _document_frequencies(features: Features, texts: Sequence[str]) -> tuple[list[Indices], int]:
    """Return for each block in how many texts each bucket occurs, and the sum of them all."""
    frequencies: list[Indices] = [np.zeros(1 << features.bits, np.int64) for _ in features.blocks([])]
    for chunk in chunked(texts):
        for frequency, (buckets, owner, _) in zip(frequencies, features.blocks(chunk), strict=True):
            pairs = np.sort(owner << features.bits | buckets)  # np.unique hashes instead, ten times as slow here
            pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
            frequency += np.bincount(pairs & (frequency.size - 1), minlength=frequency.size)
    return frequencies, sum(int(frequency.sum()) for frequency in frequencies)


def _block(slots: NDArray[np.int32], owner: Indices, texts: int, idf: Floats) -> Matrix:
    """Return one block's CSR matrix, shape (texts, known buckets), rows scaled as `LinearModel._logits` does."""
    seen = slots > 0
    values = idf[slots[seen] - 1]
    owner = owner[seen]
    length = np.sqrt(np.bincount(owner, values.astype(np.float64) ** 2, texts))
    scaled = (values / np.maximum(length, 1e-12)[owner]).astype(np.float32)
    return sparse.csr_matrix((scaled, (owner, slots[seen] - 1)), shape=(texts, idf.size))
