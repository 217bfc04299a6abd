"""Batches of texts by tokens instead of by count, with next to no padding.

Pure functions of token counts; they do not know what a token is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_JITTER = 0.05


def budget_batches(lengths: Indices, budget: int) -> list[Indices]:
    """Return batches of text indices, the longest texts first, each at most `budget` tokens with its padding.

    A text that is longer than the budget stands alone.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(budget // max(int(lengths[order[start]]), 1), 1)
        batches.append(order[start : start + size])
        start += size
    return batches


def training_batches(lengths: Indices, budget: int, rng: np.random.Generator) -> list[Indices]:
    """Return shuffled batches of about `budget` tokens, texts of nearly equal length together.

    The number of batches depends on the lengths only, so every epoch has as many. Lengths are jittered by 5 % before
    sorting: a batch then meets new companions in every epoch.
    """
    total = int(lengths.sum())
    count = max(1, min(len(lengths), round(total / budget)))
    order = np.argsort(lengths * rng.uniform(1 - _JITTER, 1 + _JITTER, len(lengths)), kind="stable")
    before = np.cumsum(lengths[order]) - lengths[order]
    borders = np.flatnonzero(np.diff(before * count // max(total, 1))) + 1
    runs = np.split(order, borders)
    while len(runs) < count:  # a text longer than a batch swallowed a border
        largest = max(range(len(runs)), key=lambda place: len(runs[place]))
        runs[largest : largest + 1] = np.array_split(runs[largest], 2)
    return [runs[place] for place in rng.permutation(len(runs))]
