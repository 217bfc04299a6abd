"""What is measured of each text, so that texts of today can be compared with those of training without keeping them.

Numbers (length, shares of kinds of characters, unknown words) and a short vector: the text's words, weighted by how
rare they were in training and projected to 64 dimensions by signed hashing (Weinberger et al. 2009). Words are known by
their hash alone: no text can be read from any of it. It knows nothing of meaning, and a word is a run of letters and
digits, so of scripts without spaces it sees the kinds of characters only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.ngrams import hash_ngrams

DIMENSIONS = 64
NUMBERS = (
    "words",
    "characters",
    "digits",
    "capitals",
    "punctuation",
    "not_ascii",
    "loose_punctuation",
    "unknown_words",
)
_MOST_WORDS = 50_000
_SPACE, _LAST_ASCII = 32, 127

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Traits:
    """What was measured of n texts: `numbers`, shape (n, len(NUMBERS)), and `vectors`, shape (n, DIMENSIONS)."""

    numbers: Floats
    vectors: Floats

    def number(self, name: str) -> Floats:
        """Return one number of every text, shape (n,)."""
        return self.numbers[:, NUMBERS.index(name)]


@dataclass(frozen=True)
class Vocabulary:
    """The words of the training texts by hash, sorted, each with the logarithm of how rare it is.

    `rarest` is that of a new word.
    """

    hashes: NDArray[np.uint32]
    rarity: Floats
    rarest: float

    @classmethod
    def of(cls, texts: Sequence[str]) -> Vocabulary:
        """Return the vocabulary of some texts: the 50,000 words that occur in most of them."""
        words, owner = _words(texts)
        if not words.size:
            return cls(words, np.empty(0, np.float32), 0.0)
        pairs = np.unique(np.stack([words.astype(np.int64), owner]), axis=1)[0]
        hashes, documents = np.unique(pairs, return_counts=True)
        commonest = np.sort(np.argsort(-documents, kind="stable")[:_MOST_WORDS])
        hashes, documents = hashes[commonest].astype(np.uint32), documents[commonest]
        rarity = np.log(len(texts) / documents).astype(np.float32)
        return cls(hashes, rarity, float(np.log(len(texts) + 1)))

    def weights(self, words: NDArray[np.uint32]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return each word's weight and whether it is known."""
        if not self.hashes.size:
            return np.full(words.shape, self.rarest, np.float32), np.zeros(words.shape, np.bool_)
        place = np.minimum(np.searchsorted(self.hashes, words), self.hashes.size - 1)
        known = self.hashes[place] == words
        return np.where(known, self.rarity[place], np.float32(self.rarest)), known


def traits_of(texts: Sequence[str], vocabulary: Vocabulary) -> Traits:
    """Measure texts against a vocabulary."""
    words, owner = _words(texts)
    weights, known = vocabulary.weights(words)
    counts = np.bincount(owner, minlength=len(texts))
    unknown = np.bincount(owner, ~known, len(texts)) / np.maximum(counts, 1)
    numbers = np.column_stack([counts, *_characters(texts), unknown]).astype(np.float32)
    return Traits(numbers, _projected(words, weights, owner, len(texts)))


def _words(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the hash of each word, and the text it is of."""
    found = hash_ngrams(texts, words=(1,))
    return (found.hashes >> np.uint64(32)).astype(np.uint32), found.owner


def _characters(texts: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return each text's length, and the shares of its characters that are of some kinds."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    owner = np.repeat(np.arange(len(texts)), lengths)

    def share(of: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(owner, of, len(texts)) / np.maximum(lengths, 1)

    digits = (points >= 48) & (points <= 57)
    capitals = (points >= 65) & (points <= 90)
    letters = capitals | ((points >= 97) & (points <= 122))
    marks = (points > _SPACE) & (points < _LAST_ASCII) & ~digits & ~letters
    loose = np.zeros(points.size, np.bool_)
    loose[1:] = marks[1:] & (points[:-1] == _SPACE) & (owner[1:] == owner[:-1])
    return [lengths.astype(np.float64), *map(share, (digits, capitals, marks, points > _LAST_ASCII, loose))]


def _projected(words: NDArray[np.uint32], weights: Floats, owner: NDArray[np.int64], texts: int) -> Floats:
    """Return unit vectors; a text without words gets zeros."""
    mixed = words.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    column = ((mixed >> np.uint64(40)) % np.uint64(DIMENSIONS)).astype(np.int64)
    signed = np.where(mixed >> np.uint64(63), weights, -weights)
    vectors = np.bincount(owner * DIMENSIONS + column, signed, texts * DIMENSIONS).reshape(texts, DIMENSIONS)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
