"""Which n-grams the linear model counts, and the buckets that they are hashed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.ngrams import NgramHashes, hash_ngrams, ngram_spans

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """Which n-grams are counted, and into how many buckets (2**bits) they are hashed."""

    words: tuple[int, ...] = (1, 2)
    characters: tuple[int, ...] = (2, 4)
    bits: int = 20

    def blocks(self, texts: Sequence[str]) -> list[tuple[Indices, Indices, int]]:
        """Return for each block the buckets, the texts they belong to, and the number of texts."""
        hashed = [hash_ngrams(texts, words=self.words), hash_ngrams(texts, characters=self.characters)]
        return [(self._buckets(block), block.owner, block.texts) for block in hashed]

    def spans(self, text: str) -> list[tuple[Indices, Indices]]:
        """Return for each block where one text's n-grams start and stop, in the order of `blocks([text])`."""
        return [ngram_spans(text, words=self.words), ngram_spans(text, characters=self.characters)]

    def _buckets(self, block: NgramHashes) -> Indices:
        return (block.hashes >> np.uint64(64 - self.bits)).astype(np.int64)


def slot_table(features: Features, known: Indices) -> NDArray[np.int32]:
    """Return for every bucket its position among the known ones plus 1; 0 for an unknown bucket."""
    table = np.zeros(1 << features.bits, np.int32)
    table[known] = np.arange(1, known.size + 1)
    return table
