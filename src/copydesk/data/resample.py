"""Balancing the training part of task `multi` by leaving texts out; validation and test stay as they are.

Neither method hides any chance: a text's fate follows from the texts and the seed, not from their order (but for
neighbours that are equally near).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from math import exp, log, prod, sqrt
from statistics import median

import numpy as np
from numpy.typing import NDArray

from copydesk.ngrams import chunked, hash_ngrams

Labels = Sequence[tuple[str, ...]]
_DIMENSIONS = 1_024
_BUCKET_BITS = 18
_BLOCK_TEXTS = 1_024


def median_undersample(texts: Sequence[str], labels: Labels, seed: int) -> list[int]:
    """Return the places of the texts that stay when labels above the median are thinned out towards it.

    With n the texts of a label and T the median over the labels, a label with n > T votes to drop a text with
    probability (n - T) / n, any other never; a text goes only if all its labels vote so. The votes are independent,
    so that has the product of their probabilities.
    """
    counts = Counter(name for label in labels for name in label)
    middle = median(counts.values()) if counts else 0
    drop = {name: max(count - middle, 0) / count for name, count in counts.items()}
    return [
        place
        for place, (text, label) in enumerate(zip(texts, labels, strict=True))
        if _uniform(text, seed) >= prod(drop[name] for name in label)
    ]


def _uniform(text: str, seed: int) -> float:
    """Return a number from 0 to 1 that depends on the text and the seed alone."""
    key = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(key, digest_size=8, salt=seed.to_bytes(8, "little"), person=b"resample").digest()
    return int.from_bytes(digest, "little") / 2**64


def tomek_links(texts: Sequence[str], labels: Labels, seed: int) -> list[int]:
    """Return the places of the texts that stay when multi-label Tomek links are cut (MLTL).

    Pereira, Costa & Silla 2020, MLTL: A multi-label approach for the Tomek Link undersampling algorithm,
    Neurocomputing 383: two neighbours are linked if their labels differ by more than a threshold (the labels that
    only one of the two has, over all labels of the two), which follows the authors' rule from the mean imbalance
    ratio and SCUMBLE. Their code then cuts every text that has a label commoner than the mean, which on long-tailed
    labels is nearly all of them (docs/LOG.md). Here, as in Tomek 1976, linked texts are each other's nearest
    neighbours, and of the two the one with the commoner labels goes. `seed` does not matter.
    """
    counts = Counter(name for label in labels for name in label)
    ratios = {name: max(counts.values()) / count for name, count in counts.items()}
    threshold = _threshold(sum(ratios.values()) / max(len(ratios), 1), labels, ratios)
    rarity = [sorted((ratios[name] for name in label), reverse=True) for label in labels]
    nearest = nearest_neighbours(texts)
    cut = set()
    for one, other in enumerate(nearest.tolist()):
        if one < other and nearest[other] == one and _difference(labels[one], labels[other]) > threshold:
            commoner = min(one, other, key=lambda place: rarity[place])
            cut.update([commoner] if rarity[one] != rarity[other] else [])
    return [place for place in range(len(texts)) if place not in cut]


def _difference(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    return len(set(one) ^ set(other)) / len(set(one) | set(other))


def _threshold(mean: float, labels: Labels, ratios: dict[str, float]) -> float:
    if mean <= 0 or scumble(labels, ratios) > 0.3:
        return 0.5
    balance = 1 / sqrt(mean)
    return 0.5 if balance > 0.5 else 0.3 if balance > 0.3 else 0.15


def scumble(labels: Labels, ratios: dict[str, float]) -> float:
    """Return how much rare and common labels stand on the same texts, 0 to 1 (Charte et al. 2014, SCUMBLE).

    The mean over texts of one minus the geometric over the arithmetic mean of the labels' imbalance ratios.
    """
    parts = []
    for label in labels:
        own = [ratios[name] for name in label]
        geometric = exp(sum(log(ratio) for ratio in own) / len(own))
        parts.append(1 - geometric / (sum(own) / len(own)))
    return sum(parts) / max(len(parts), 1)


def nearest_neighbours(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each text's nearest other text by the cosine of hashed word TF-IDF; its own if alone.

    Words are projected to 1,024 dimensions by signed hashing, so a cosine is off by about 0.03.
    """
    vectors = _vectors(texts)
    nearest = np.arange(len(texts))
    for begin in range(0, len(texts) if len(texts) > 1 else 0, _BLOCK_TEXTS):
        block = vectors[begin : begin + _BLOCK_TEXTS]
        similarity = block @ vectors.T
        rows = np.arange(len(block))
        similarity[rows, begin + rows] = -np.inf
        nearest[begin : begin + len(block)] = similarity.argmax(axis=1)
    return nearest


def _vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return unit vectors of word TF-IDF, shape (texts, 1024)."""
    chunks = list(chunked(texts))
    documents = np.zeros(1 << _BUCKET_BITS, np.int64)
    for chunk in chunks:
        documents += np.bincount(_words(chunk)[0] % (1 << _BUCKET_BITS), minlength=1 << _BUCKET_BITS)
    weights = np.log((1 + len(texts)) / (1 + documents)) + 1
    vectors = np.empty((len(texts), _DIMENSIONS), np.float32)
    done = 0
    for chunk in chunks:
        words, owner = _words(chunk)
        signed = weights[words % (1 << _BUCKET_BITS)] * np.where(words >> np.uint64(63), 1.0, -1.0)
        column = ((words >> np.uint64(40)) % np.uint64(_DIMENSIONS)).astype(np.int64)
        sums = np.bincount(owner * _DIMENSIONS + column, signed, len(chunk) * _DIMENSIONS)
        vectors[done : done + len(chunk)] = sums.reshape(len(chunk), _DIMENSIONS)
        done += len(chunk)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)
    return vectors


def _words(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hash of each different word of each text, and the text that it is of."""
    hashed = hash_ngrams(texts, words=(1,))
    order = np.lexsort((hashed.hashes, hashed.owner))
    words, owner = hashed.hashes[order], hashed.owner[order]
    first = np.ones(len(words), np.bool_)
    first[1:] = (words[1:] != words[:-1]) | (owner[1:] != owner[:-1])
    return words[first], owner[first]


RESAMPLERS: dict[str, Callable[[Sequence[str], Labels, int], list[int]]] = {
    "median_undersample": median_undersample,
    "mltl": tomek_links,
}
