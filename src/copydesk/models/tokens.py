"""Token ids of many texts as flat arrays, and padded batches of them.

A row is what the encoder reads at once. A text has one row, or several if it is read through windows; `owner` tells
whose row it is. Nothing here knows a tokenizer or torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Rows of token ids, one after the other: row i is `ids[starts[i] : starts[i + 1]]`.

    `segments` are the token type ids, where any is not 0. `texts` is the number of texts that the rows belong to.
    """

    ids: NDArray[np.int32]
    segments: NDArray[np.int8] | None
    starts: Indices
    owner: Indices
    texts: int

    @property
    def lengths(self) -> Indices:
        """The number of tokens of each row."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.owner)

    def first_texts(self, count: int) -> Tokens:
        """Return the rows of the first `count` texts."""
        rows = int(np.searchsorted(self.owner, count))
        end = int(self.starts[rows])
        segments = None if self.segments is None else self.segments[:end]
        return Tokens(self.ids[:end], segments, self.starts[: rows + 1], self.owner[:rows], min(count, self.texts))

    def padded(self, rows: Sequence[int] | Indices, padding: int) -> dict[str, Indices]:
        """Return these rows padded to the longest; an attention mask only where something is padded."""
        begin = self.starts[rows]
        lengths = self.starts[np.asarray(rows) + 1] - begin
        places = np.arange(int(lengths.max()))
        real = places < lengths[:, None]
        index = np.where(real, begin[:, None] + places, begin[:, None])
        batch = {"input_ids": np.where(real, self.ids[index], padding).astype(np.int64)}
        if self.segments is not None:
            batch["token_type_ids"] = np.where(real, self.segments[index], 0).astype(np.int64)
        if not real.all():
            batch["attention_mask"] = real.astype(np.int64)
        return batch

    def by_text(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of each text's rows, shape (texts, columns)."""
        if len(self) == self.texts:
            return outputs
        total = np.zeros((self.texts, outputs.shape[1]), np.float64)
        np.add.at(total, self.owner, outputs)
        return (total / np.bincount(self.owner, minlength=self.texts)[:, None]).astype(np.float32)


def gathered(parts: Sequence[tuple[Tokens, int]]) -> Tokens:
    """Return single texts of several encodings, in this order, as if they had been encoded together."""
    ids, segments, lengths, owner = [], [], [], []
    for number, (tokens, text) in enumerate(parts):
        first, last = (0, len(tokens)) if tokens.texts == 1 else np.searchsorted(tokens.owner, (text, text + 1))
        begin, end = tokens.starts[first], tokens.starts[last]
        ids.append(tokens.ids[begin:end])
        if tokens.segments is not None:
            segments.append((len(ids) - 1, tokens.segments[begin:end]))
        lengths.append(tokens.lengths[first:last])
        owner += [number] * int(last - first)
    starts = np.zeros(len(owner) + 1, np.int64)
    np.cumsum(np.concatenate(lengths), out=starts[1:])
    kinds = None
    if segments:
        given = dict(segments)
        kinds = np.concatenate([given.get(number, np.zeros(len(row), np.int8)) for number, row in enumerate(ids)])
    return Tokens(np.concatenate(ids), kinds, starts, np.array(owner, np.int64), len(parts))


def join_rows(
    ids: Sequence[Sequence[int]], segments: Sequence[Sequence[int]] | None, owner: Sequence[int], texts: int
) -> Tokens:
    """Return rows given as lists as flat arrays."""
    starts = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(row) for row in ids], out=starts[1:])
    total = int(starts[-1])
    flat = np.fromiter((token for row in ids for token in row), np.int32, total)
    kinds = None
    if segments is not None:
        kinds = np.fromiter((kind for row in segments for kind in row), np.int8, total)
    return Tokens(
        flat, kinds if kinds is not None and kinds.any() else None, starts, np.asarray(owner, np.int64), texts
    )
