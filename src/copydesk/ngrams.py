"""Hashed word and character n-grams of many texts at once, in numpy alone.

Both users of n-grams share it: the linear model (features) and near-duplicate search (shingles). Texts are laid
end to end as code points and every n-gram is hashed by one subtraction of prefix sums of a polynomial
(Karp & Rabin 1987) modulo 2**64, so no Python loop runs per text or per n-gram.

It does not know about languages: a word is a run of alphanumeric characters, so a script written without spaces
is seen through its character n-grams only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_WORD_SALT = np.uint64(0xD6E8FEB86659FD93)
_CHUNK_CHARACTERS = 200_000
"""Characters hashed at a time: the work arrays then stay in the processor's cache."""


@dataclass(frozen=True)
class NgramHashes:
    """N-gram occurrences: `hashes[i]` occurs in text number `owner[i]`. Repeats are kept; one n at a time, in order."""

    hashes: NDArray[np.uint64]
    owner: NDArray[np.int64]
    texts: int

    def starts(self) -> NDArray[np.int64]:
        """Return the offsets at which each text's hashes start (and the end); only for a single n-gram length."""
        return np.searchsorted(self.owner, np.arange(self.texts + 1))


def hash_ngrams(texts: Sequence[str], *, characters: Sequence[int] = (), words: Sequence[int] = ()) -> NgramHashes:
    """Hash every character n-gram and word n-gram of each text, lower-cased.

    `characters` and `words` are the lengths n wanted, e.g. (3, 4, 5) and (1, 2). One space stands before and after
    each text, so that a prefix differs from a middle; a text shorter than n characters has no such n-gram.
    """
    parts: list[NgramHashes] = []
    done = 0
    for chunk in chunked(texts):
        found = _hash_chunk(chunk, characters, words)
        parts.append(NgramHashes(found.hashes, found.owner + done, found.texts))
        done += found.texts
    return _concatenate(parts)


def chunked(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut texts, in order, into lists of about 200,000 characters, which the processor's cache holds."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text) + 2
        if size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _concatenate(parts: list[NgramHashes]) -> NgramHashes:
    if not parts:
        return NgramHashes(np.empty(0, np.uint64), np.empty(0, np.int64), 0)
    hashes = np.concatenate([part.hashes for part in parts])
    owner = np.concatenate([part.owner for part in parts])
    return NgramHashes(hashes, owner, sum(part.texts for part in parts))


def ngram_spans(
    text: str, *, characters: Sequence[int] = (), words: Sequence[int] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each n-gram of `hash_ngrams([text])` starts and stops in the text, in the order of the hashes.

    `stop` is exclusive; the spaces that stand around the text are outside of it, so that they take no place.
    """
    lowered = text.lower()
    origin = np.arange(len(text))
    if len(lowered) != len(text):  # a few capital letters have small forms of two characters
        origin = np.repeat(origin, [len(character.lower()) for character in text])
    starts_at = np.concatenate([[0], origin, [len(text)]])
    stops_at = np.concatenate([[0], origin + 1, [len(text)]])
    joined = f" {lowered} "
    runs = list(_occurrences(joined, np.zeros(len(joined), np.int64), characters, words))
    nothing = np.empty(0, np.int64)
    starts = np.concatenate([nothing, *(starts_at[run.first] for run in runs)])
    stops = np.concatenate([nothing, *(stops_at[run.stop - 1] for run in runs)])
    return starts, stops


class _Run(NamedTuple):
    """The n-grams of one length: where they start and stop in the joined texts, and the salt of their hashes."""

    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    salt: np.uint64


def _hash_chunk(texts: list[str], characters: Sequence[int], words: Sequence[int]) -> NgramHashes:
    lowered = [f" {text.lower()} " for text in texts]
    lengths = np.fromiter(map(len, lowered), np.int64, len(lowered))
    joined = "".join(lowered)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(lowered)), lengths)
    prefix, unscale = _prefix_hashes(points)
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for run in _occurrences(joined, owner, characters, words):
        hashes.append(_span_hashes(prefix, unscale, run.first, run.stop, run.salt))
        owners.append(owner[run.first])
    return NgramHashes(np.concatenate(hashes), np.concatenate(owners), len(texts))


def _occurrences(
    joined: str, owner: NDArray[np.int64], characters: Sequence[int], words: Sequence[int]
) -> Iterator[_Run]:
    for n in characters:
        first = np.flatnonzero(owner[: len(owner) - n + 1] == owner[n - 1 :]) if len(owner) >= n else owner[:0]
        yield _Run(first, first + n, np.uint64(n))
    starts, stops = _word_spans(joined) if words else (owner[:0], owner[:0])
    for n in words:
        left = np.flatnonzero(owner[starts[: len(starts) - n + 1]] == owner[starts[n - 1 :]])
        yield _Run(starts[left], stops[left + n - 1], _WORD_SALT + np.uint64(n))


def _prefix_hashes(points: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the prefix sums of points[i] * BASE**i and the powers of BASE**-1 (wrapping at 2**64, as meant)."""
    powers = np.full(len(points), _BASE, np.uint64)
    inverse = np.full(len(points) + 1, _BASE_INVERSE, np.uint64)
    if len(points):
        powers[0] = 1
    inverse[0] = 1
    prefix = np.zeros(len(points) + 1, np.uint64)
    np.cumsum((points.astype(np.uint64) + np.uint64(1)) * np.cumprod(powers), out=prefix[1:])
    return prefix, np.cumprod(inverse)


def _span_hashes(
    prefix: NDArray[np.uint64],
    unscale: NDArray[np.uint64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    salt: np.uint64,
) -> NDArray[np.uint64]:
    spans = (prefix[stop] - prefix[first]) * unscale[first] + salt
    spans ^= spans >> np.uint64(32)  # the finaliser of SplitMix64 (Steele et al. 2014): low bits depend on all
    spans *= np.uint64(0xD6E8FEB86659FD93)
    spans ^= spans >> np.uint64(32)
    return spans


def _word_spans(joined: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where words start and stop in the joined texts; the spaces around each text keep them apart."""
    inside = np.fromiter(map(str.isalnum, joined), np.bool_, len(joined))
    change = np.flatnonzero(np.diff(inside)) + 1
    return change[::2], change[1::2]
