"""The texts most like each text, what their labels say, and texts that are like none.

Texts are compared by vectors: latent semantic analysis of the linear model's features (Deerwester et al. 1990), or the
mean token vectors of an encoder. Near-copies of a text are not its neighbours: they tend to share its errors. Labels of
neighbours find wrong ones better than a model alone (Bahri, Jiang & Gupta 2020, Deep k-NN for Noisy Labels); a text
far from its neighbours is an outlier (Angiulli & Pizzuti 2002).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from copydesk.repair.confident import Floats
from copydesk.repair.questions import Indices, Question

_DIMENSIONS = 200
_NEIGHBOURS = 30
_MOST_CANDIDATES = 50_000
"""Of more texts a sample is searched for neighbours: the time then grows with the texts, not with their square."""
_BLOCK_TEXTS = 500
_POWER = 3
_SOFTEN = 0.05
"""So much of a vote the whole Dataset has."""

Vectors = NDArray[np.float32]
Matrix = Any


@dataclass(frozen=True)
class Neighbours:
    """By text its most similar others, the nearest first: their places and cosine similarities, shape (texts, k).

    A text may have fewer than k; the rest then have a similarity of 0 and count for nothing.
    """

    places: Indices
    similarities: Floats

    def votes(self, question: Question) -> Floats:
        """Return the share of each answer among a text's neighbours by similarity, shape (texts, answers)."""
        answers = len(question.answers)
        known = question.given[question.known]
        prior = np.bincount(known, minlength=answers) / max(len(known), 1)
        weights = self.similarities**_POWER * question.known[self.places]
        given = question.given[self.places]
        votes = np.stack([(weights * (given == place)).sum(axis=1) for place in range(answers)], axis=1)
        total = votes.sum(axis=1, keepdims=True)
        votes += (_SOFTEN * total.mean() + 1e-9) * (prior + 1e-3)
        shares: Floats = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def loneliness(self) -> Floats:
        """Return how unlike its neighbours each text is: one minus the mean similarity, 0 to 1."""
        loneliness: Floats = 1 - self.similarities.mean(axis=1)
        return loneliness


def semantic_vectors(matrix: Matrix, seed: int) -> Vectors:
    """Return unit vectors of the texts' latent semantics, shape (texts, up to 200); zeros for one without features."""
    size = min(_DIMENSIONS, min(matrix.shape) - 1)
    if size < 1:
        return np.zeros((matrix.shape[0], 1), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # explained variance of rows that are all alike
        return unit(TruncatedSVD(size, n_iter=2, random_state=seed % 2**32).fit_transform(matrix).astype(np.float32))


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors scaled to length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def nearest(vectors: Vectors, groups: Indices, seed: int) -> Neighbours:
    """Find each text's neighbours outside its own group of near-copies."""
    texts = len(vectors)
    chosen = np.arange(texts)
    if texts > _MOST_CANDIDATES:
        chosen = np.sort(np.random.default_rng(seed).choice(texts, _MOST_CANDIDATES, replace=False))
    others, other_groups = vectors[chosen], groups[chosen]
    count = min(_NEIGHBOURS, len(chosen))
    places = np.zeros((texts, count), np.int64)
    similarities = np.zeros((texts, count))
    for begin in range(0, texts, _BLOCK_TEXTS):
        block = slice(begin, min(begin + _BLOCK_TEXTS, texts))
        similarity = vectors[block] @ others.T
        similarity[groups[block][:, None] == other_groups] = 0
        best = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        places[block] = chosen[np.take_along_axis(best, order, axis=1)]
        similarities[block] = np.clip(np.take_along_axis(found, order, axis=1), 0, 1)
    return Neighbours(places, similarities)
