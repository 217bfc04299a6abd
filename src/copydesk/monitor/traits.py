"""What is measured of each text, so that texts of today can be compared with those of training without keeping them.

Numbers (length, shares of kinds of characters, unknown words) and a short vector of what the text is about: the mean of
its words' vectors (`meaning.py`), weighted by how rare they were in training. Words are known by their hash alone: no
text can be read from any of it. A word is a run of letters and digits, in scripts without spaces a single character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from copydesk.monitor.meaning import Steps, word_vectors
from copydesk.ngrams import hash_ngrams

DIMENSIONS = 64
VECTOR_STEPS = 127
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
_MEANING_TEXTS = 20_000
"""Texts from which words' vectors are found; more cost time and change little."""
_WORD = re.compile(r"[^\W_]+")
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_SPACE, _LAST_ASCII = 32, 127

Floats = NDArray[np.float32]
Table = Callable[[Sequence[str]], Floats]
"""Returns a vector for each word, shape (words, any)."""


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
    """The words of the training texts by hash, sorted, each with the logarithm of how rare it is and its vector.

    `rarest` is that of a new word. `vectors` has shape (words, DIMENSIONS).
    """

    hashes: NDArray[np.uint32]
    rarity: Floats
    rarest: float
    vectors: Steps

    @classmethod
    def of(cls, texts: Sequence[str], table: Table | None = None) -> Vocabulary:
        """Return the vocabulary of some texts: the 50,000 words that occur in most of them.

        Their vectors are made from a table of an encoder's, or from which words share texts.
        """
        words, owner = _words(texts)
        if not words.size:
            return cls(words, np.empty(0, np.float32), 0.0, np.empty((0, DIMENSIONS), np.int8))
        pairs = np.unique(np.stack([words.astype(np.int64), owner]), axis=1)[0]
        hashes, documents = np.unique(pairs, return_counts=True)
        commonest = np.sort(np.argsort(-documents, kind="stable")[:_MOST_WORDS])
        hashes, documents = hashes[commonest].astype(np.uint32), documents[commonest]
        rarity = np.log(len(texts) / documents).astype(np.float32)
        known = cls(hashes, rarity, float(np.log(len(texts) + 1)), np.zeros((len(hashes), DIMENSIONS), np.int8))
        return replace(known, vectors=known._vectors_from(texts, table))

    def places(self, words: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return each word's place, and whether it is known; the place of one that is not means nothing."""
        if not self.hashes.size:
            return np.zeros(words.shape, np.int64), np.zeros(words.shape, np.bool_)
        place = np.minimum(np.searchsorted(self.hashes, words), self.hashes.size - 1)
        return place, self.hashes[place] == words

    def new_words(self, texts: Sequence[str], most: int = 20) -> list[tuple[str, int]]:
        """Return words that training did not have, where texts are at hand, and how many texts have each."""
        found = Counter(word for text in texts for word in {*words_of(text)})
        names = [*found]
        _, known = self.places(_words(names)[0])
        new = [(name, found[name]) for name, is_known in zip(names, known, strict=True) if not is_known]
        return sorted(new, key=lambda one: (-one[1], one[0]))[:most]

    def _vectors_from(self, texts: Sequence[str], table: Table | None) -> Steps:
        from scipy.sparse import csr_matrix

        step = -(-len(texts) // _MEANING_TEXTS)
        chosen = texts[::step]
        words, owner = _words(chosen)
        place, known = self.places(words)
        shape = (len(chosen), len(self.hashes))
        weights = csr_matrix((self.rarity[place[known]], (owner[known], place[known])), shape)
        lengths = np.sqrt(weights.multiply(weights).sum(axis=1))
        weights = csr_matrix(weights.multiply(1 / np.maximum(lengths, 1e-9)))
        return word_vectors(weights, None if table is None else self._looked_up(texts, table), DIMENSIONS)

    def _looked_up(self, texts: Sequence[str], table: Table) -> Floats:
        """Return each known word's vector in a table, in the order of the hashes."""
        names = [*{word for text in texts for word in words_of(text)}]
        hashes = _words(names)[0]
        order = np.argsort(hashes)
        return table([names[place] for place in order[np.searchsorted(hashes, self.hashes, sorter=order)]])


def traits_of(texts: Sequence[str], vocabulary: Vocabulary) -> Traits:
    """Measure texts against a vocabulary."""
    words, owner = _words(texts)
    place, known = vocabulary.places(words)
    counts = np.bincount(owner, minlength=len(texts))
    unknown = np.bincount(owner, ~known, len(texts)) / np.maximum(counts, 1)
    numbers = np.column_stack([counts, *_characters(texts), unknown]).astype(np.float32)
    return Traits(numbers, _mean_vectors(vocabulary, place[known], owner[known], len(texts)))


def in_steps(vectors: Floats) -> Steps:
    """Return vectors of length 1 as a log and a reference keep them: a byte for each entry."""
    return np.rint(vectors * VECTOR_STEPS).astype(np.int8)


def from_steps(steps: Steps) -> Floats:
    """Return what `in_steps` was given, rounded."""
    return steps.astype(np.float32) / np.float32(VECTOR_STEPS)


def words_of(text: str) -> list[str]:
    """Return a text's words, in small letters: the same that are hashed."""
    return _WORD.findall(_spaced(text).lower())


def _spaced(text: str) -> str:
    return text if text.isascii() else _SPACELESS.sub(r" \g<0> ", text)


def _words(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the hash of each word, and the text it is of."""
    found = hash_ngrams([_spaced(text) for text in texts], words=(1,))
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


def _mean_vectors(vocabulary: Vocabulary, place: NDArray[np.int64], owner: NDArray[np.int64], texts: int) -> Floats:
    """Return vectors of length 1 of texts whose known words are given text by text; zeros for a text without any."""
    vectors = np.zeros((texts, DIMENSIONS), np.float32)
    if not place.size:
        return vectors
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    weighted = vocabulary.vectors[place] * vocabulary.rarity[place][:, None]
    vectors[owner[starts]] = np.add.reduceat(weighted, starts, axis=0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(length > 0, length, 1)
    return vectors
