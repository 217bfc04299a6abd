"""Near-duplicate texts.

Candidates come from MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3): rensa's
signatures over our n-gram hashes. Every candidate is confirmed by the exact Jaccard similarity of its character
4-grams, so no pair is called a copy by chance. With 48 bands of 4 rows, a pair of similarity 0.6 is missed with a
probability of 0.001, one of similarity 0.8 with 1e-11.

Only the signatures (768 bytes a text) are kept for all texts at once; shingles are made in chunks, and again for the
few texts that are candidates.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.ngrams import chunked, hash_ngrams

SHINGLE_CHARACTERS = 4
_BANDS = 48
_ROWS_PER_BAND = 4
_WIDTH = _BANDS * _ROWS_PER_BAND
_SEED = 1
_ESTIMATE_MARGIN = 0.15
"""Four standard errors of the similarity that a signature of 192 rows estimates."""
_LARGEST_STEP = 32
"""In a bucket of more texts than this, each is compared with this many neighbours in the order of signatures."""
_CHUNK_PAIRS = 10_000

Indices = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class NearDuplicates:
    """`group[i]` is the smallest index among the texts connected to text i; `pairs` has a similarity for each i < j."""

    group: Indices
    pairs: dict[tuple[int, int], float]


@dataclass(frozen=True)
class Shingles:
    """The sets of hashed character 4-grams of some texts: text i has `hashes[starts[i]:starts[i + 1]]`, sorted."""

    hashes: Hashes
    starts: Indices

    def of(self, text: int) -> Hashes:
        """Return one text's set."""
        return self.hashes[self.starts[text] : self.starts[text + 1]]


FindNear = Callable[[Sequence[str], float], NearDuplicates]
"""Finds near-duplicates of texts from a similarity on; for who has found them already."""


def find_near_duplicates(texts: Sequence[str], threshold: float) -> NearDuplicates:
    """Connect texts whose sets of character 4-grams have a Jaccard similarity of at least `threshold`.

    Case and the ends' white space do not count. Texts of a single character are never alike.
    """
    signatures, marks = _sketched(texts)
    pairs, kept = _equal_sets(marks)
    candidates = _candidates(_rows_kept(signatures, kept), threshold - _ESTIMATE_MARGIN)
    for begin in range(0, len(candidates), _CHUNK_PAIRS):
        pairs |= _confirmed(texts, kept[candidates[begin : begin + _CHUNK_PAIRS]], threshold)
    return NearDuplicates(connected(len(texts), pairs), dict(sorted(pairs.items())))


def shingled(texts: Sequence[str]) -> Shingles:
    """Return the texts' sets of character 4-grams."""
    hashed = hash_ngrams(texts, characters=(SHINGLE_CHARACTERS,))
    order = np.lexsort((hashed.hashes, hashed.owner))
    hashes, owner = hashed.hashes[order], hashed.owner[order]
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    return Shingles(hashes[first], np.searchsorted(owner[first], np.arange(len(texts) + 1)))


def _sketched(texts: Sequence[str]) -> tuple[NDArray[np.uint32], Hashes]:
    """Return signatures, shape (texts, 192), and marks, shape (texts, 2): two sums that only equal sets share.

    A text without shingles has the mark 0, 0.
    """
    signatures = np.empty((len(texts), _WIDTH), np.uint32)
    marks = np.zeros((len(texts), 2), np.uint64)
    done = 0
    for chunk in chunked(texts):
        shingles = shingled(chunk)
        part = slice(done, done + len(chunk))
        signatures[part] = _signatures(shingles)
        filled = np.diff(shingles.starts) > 0
        if filled.any():
            firsts = shingles.starts[:-1][filled]
            squares = shingles.hashes * (shingles.hashes | np.uint64(1))
            sums = [np.add.reduceat(values, firsts) for values in (shingles.hashes, squares)]
            marks[part][filled] = np.stack(sums, axis=1)
        done += len(chunk)
    return signatures, marks


def _signatures(shingles: Shingles) -> NDArray[np.uint32]:
    """Return the MinHash signatures of one chunk."""
    from rensa import RMinHash

    starts = shingles.starts.astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles.hashes, starts, _WIDTH, _SEED)
    flat = array("I")
    for row in matrix.to_rows():
        flat.fromlist(row)  # five times as fast as numpy with lists of integers
    return np.frombuffer(flat, np.uint32).reshape(-1, _WIDTH)


def _equal_sets(marks: Hashes) -> tuple[dict[tuple[int, int], float], Indices]:
    """Pair every text with the first that has the same shingles; return the pairs and those first texts."""
    order = np.lexsort((marks[:, 1], marks[:, 0]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (marks[order[1:]] != marks[order[:-1]]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]  # lexsort is stable: a run begins with its smallest index
    filled = marks.any(axis=1)
    copies = np.flatnonzero(filled & (first != np.arange(len(first))))
    pairs = dict.fromkeys(zip(first[copies].tolist(), copies.tolist(), strict=True), 1.0)
    return pairs, np.flatnonzero(filled & (first == np.arange(len(first))))


def _rows_kept(signatures: NDArray[np.uint32], kept: Indices) -> NDArray[np.uint32]:
    """Move the kept rows to the front, in place, and return them: a copy would double the memory."""
    for begin in range(0, len(kept), _CHUNK_PAIRS):
        rows = kept[begin : begin + _CHUNK_PAIRS]
        signatures[begin : begin + len(rows)] = signatures[rows]
    return signatures[: len(kept)]


def _candidates(signatures: NDArray[np.uint32], least: float) -> Indices:
    """Return the pairs, shape (pairs, 2), that share a band and whose signatures agree in a share `least` of rows."""
    texts = len(signatures)
    found = [np.empty(0, np.int64)]
    for band in range(_BANDS):
        for first, second in _sharing(_band(signatures, band)):
            likely = _agreement(signatures, first, second) >= least
            found.append(first[likely] * texts + second[likely])
    codes = np.unique(np.concatenate(found))
    return np.stack(np.divmod(codes, max(texts, 1)), axis=1)


def _agreement(signatures: NDArray[np.uint32], first: Indices, second: Indices) -> NDArray[np.float64]:
    """Return the share of rows in which each pair's signatures agree."""
    shares = [np.empty(0)]
    for begin in range(0, len(first), _CHUNK_PAIRS):
        part = slice(begin, begin + _CHUNK_PAIRS)
        shares.append((signatures[first[part]] == signatures[second[part]]).mean(axis=1))
    return np.concatenate(shares)


def _band(signatures: NDArray[np.uint32], band: int) -> Hashes:
    """Return a band's four columns and the four after it, two in one number: shape (texts, 4)."""
    columns = (band * _ROWS_PER_BAND + np.arange(2 * _ROWS_PER_BAND)) % _WIDTH
    wide = signatures[:, columns].astype(np.uint64)
    return (wide[:, ::2] << np.uint64(32)) | wide[:, 1::2]


def _sharing(columns: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """Yield arrays of pairs of texts that share the band (the first two columns): neighbours, then 2 apart, ….

    The columns after the band only decide who is whose neighbour.
    """
    shared = np.flatnonzero(repeated(columns[:, 0] * np.uint64(0x9E3779B97F4A7C15) + columns[:, 1]))
    order = shared[np.lexsort(columns[shared].T[::-1])]
    rows = columns[order, :2]
    step = 1
    alive = np.arange(max(len(order) - 1, 0))
    while alive.size and step <= _LARGEST_STEP:
        alive = alive[alive + step < len(order)]
        alive = alive[(rows[alive] == rows[alive + step]).all(axis=1)]
        if alive.size:
            yield np.minimum(order[alive], order[alive + step]), np.maximum(order[alive], order[alive + step])
        step += 1


def repeated(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of each value whether it occurs more than once."""
    order = np.argsort(values)
    same = values[order[1:]] == values[order[:-1]]
    found = np.zeros(len(values), np.bool_)
    found[order[1:][same]] = found[order[:-1][same]] = True
    return found


def _confirmed(texts: Sequence[str], candidates: Indices, threshold: float) -> dict[tuple[int, int], float]:
    """Return the candidates whose exact similarity reaches the threshold."""
    needed, places = np.unique(candidates, return_inverse=True)
    shingles = shingled([texts[index] for index in needed.tolist()])
    pairs = {}
    for pair, (first, second) in zip(candidates.tolist(), places.reshape(-1, 2).tolist(), strict=True):
        similarity = jaccard(shingles.of(first), shingles.of(second))
        if similarity >= threshold:
            pairs[pair[0], pair[1]] = similarity
    return pairs


def jaccard(first: Hashes, second: Hashes) -> float:
    """Return the Jaccard similarity of two sorted sets of hashes."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    union = first.size + second.size - shared
    return shared / union if union else 1.0


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
