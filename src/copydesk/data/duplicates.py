"""Near-duplicate texts.

Candidates come from MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3): rensa's
signatures over our n-gram hashes. Every candidate is confirmed by the exact Jaccard similarity of its character
4-grams, so no pair is called a copy by chance. With 48 bands of 4 rows, a pair of similarity 0.6 is missed with a
probability of 0.001, one of similarity 0.8 with 1e-11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.ngrams import hash_ngrams

SHINGLE_CHARACTERS = 4
_BANDS = 48
_ROWS_PER_BAND = 4
_SEED = 1
_ESTIMATE_MARGIN = 0.15
"""Four standard errors of the similarity that a signature of 192 rows estimates."""
_LARGEST_STEP = 32
"""In a bucket of more texts than this, each is compared with this many neighbours in the order of signatures."""
_CHUNK_TEXTS = 10_000

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class NearDuplicates:
    """`group[i]` is the smallest index among the texts connected to text i; `pairs` has a similarity for each i < j."""

    group: Indices
    pairs: dict[tuple[int, int], float]


FindNear = Callable[[Sequence[str], float], NearDuplicates]
"""Finds near-duplicates of texts from a similarity on; for who has found them already."""


def find_near_duplicates(texts: Sequence[str], threshold: float) -> NearDuplicates:
    """Connect texts whose sets of character 4-grams have a Jaccard similarity of at least `threshold`.

    Case and the ends' white space do not count. Texts of a single character are never alike.
    """
    hashed = hash_ngrams(texts, characters=(SHINGLE_CHARACTERS,))
    starts = hashed.starts()
    shingles = [np.unique(hashed.hashes[start:stop]) for start, stop in zip(starts[:-1], starts[1:], strict=True)]
    pairs, kept = _equal_sets(shingles)
    for first, second in _candidates(_signatures([shingles[index] for index in kept]), threshold - _ESTIMATE_MARGIN):
        similarity = jaccard(shingles[kept[first]], shingles[kept[second]])
        if similarity >= threshold:
            pairs[int(kept[first]), int(kept[second])] = similarity
    return NearDuplicates(connected(len(texts), pairs), dict(sorted(pairs.items())))


def _equal_sets(shingles: list[NDArray[np.uint64]]) -> tuple[dict[tuple[int, int], float], Indices]:
    """Pair every text with the first that has the same shingles; return the pairs and those first texts."""
    firsts: dict[bytes, int] = {}
    pairs = {}
    for place, shingle in enumerate(shingles):
        if shingle.size and (first := firsts.setdefault(shingle.tobytes(), place)) != place:
            pairs[first, place] = 1.0
    return pairs, np.fromiter(firsts.values(), np.int64, len(firsts))


def jaccard(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    """Return the Jaccard similarity of two sorted sets of hashes."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    union = first.size + second.size - shared
    return shared / union if union else 1.0


def _signatures(shingles: list[NDArray[np.uint64]]) -> NDArray[np.uint32]:
    """Return the MinHash signatures, shape (texts, bands * rows)."""
    from rensa import RMinHash

    width = _BANDS * _ROWS_PER_BAND
    signatures = np.empty((len(shingles), width), np.uint32)
    for begin in range(0, len(shingles), _CHUNK_TEXTS):
        chunk = shingles[begin : begin + _CHUNK_TEXTS]
        starts = np.cumsum([0, *(shingle.size for shingle in chunk)]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(chunk), starts, width, _SEED)
        signatures[begin : begin + len(chunk)] = matrix.to_rows()
    return signatures


def _candidates(signatures: NDArray[np.uint32], least: float) -> list[tuple[int, int]]:
    """Return, sorted, the pairs that share a band and whose signatures agree in at least a share `least` of rows."""
    texts = len(signatures)
    found = [np.empty(0, np.int64)]
    for band in range(_BANDS):
        rolled = np.roll(signatures, -band * _ROWS_PER_BAND, axis=1)
        for first, second in _sharing(rolled[:, : 2 * _ROWS_PER_BAND]):
            agreement = (signatures[first] == signatures[second]).mean(axis=1)
            likely = agreement >= least
            found.append(first[likely] * texts + second[likely])
    codes = np.unique(np.concatenate(found))
    return list(zip((codes // max(texts, 1)).tolist(), (codes % max(texts, 1)).tolist(), strict=True))


def _sharing(columns: NDArray[np.uint32]) -> Iterator[tuple[Indices, Indices]]:
    """Yield arrays of pairs of texts that share the band in the first columns: neighbours, then 2 apart, ….

    The columns after the band only decide who is whose neighbour.
    """
    order = np.lexsort(columns.T[::-1])
    rows = columns[order, :_ROWS_PER_BAND]
    step = 1
    alive = np.arange(max(len(order) - 1, 0))
    while alive.size and step <= _LARGEST_STEP:
        alive = alive[alive + step < len(order)]
        alive = alive[(rows[alive] == rows[alive + step]).all(axis=1)]
        if alive.size:
            yield np.minimum(order[alive], order[alive + step]), np.maximum(order[alive], order[alive + step])
        step += 1


def connected(texts: int, pairs: Mapping[tuple[int, int], float]) -> Indices:
    """Return each text's group, named by its smallest member (union-find with path halving)."""
    parent = list(range(texts))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.fromiter((root(index) for index in range(texts)), np.int64, texts)
