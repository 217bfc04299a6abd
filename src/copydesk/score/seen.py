"""What identical texts were given before, so that each is scored once; within bounded memory, the latest are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from copydesk.tasks import Scores

_TEXTS = 100_000
_CHARACTERS = 1 << 24
_SCORES_BYTES = 1 << 25
_LONGEST = 10_000
"""Longer texts are seldom repeated, and a few would push out all others."""


class Seen:
    """The scores of the texts that were asked for last."""

    def __init__(self, outputs: int, *, texts: int = _TEXTS, characters: int = _CHARACTERS) -> None:
        self._most = max(min(texts, _SCORES_BYTES // (8 * max(outputs, 1))), 1)
        self._most_characters = characters
        self._characters = 0
        self._slots: OrderedDict[str, int] = OrderedDict()  # the least lately asked for first
        self._rows = np.zeros((self._most, outputs))
        self._free = list(range(self._most - 1, -1, -1))
        self.computed = 0

    def scores(self, texts: Sequence[str], compute: Callable[[list[str]], Scores]) -> Scores:
        """Return a row of scores per text; `compute` is asked only for texts that are new, each once."""
        distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        slots = np.fromiter(map(self._slot, distinct), np.int64, len(distinct))
        rows: Scores = self._rows[slots]
        new = [text for text, slot in zip(distinct, slots.tolist(), strict=True) if slot < 0]
        if new:
            computed = compute(new)
            rows[slots < 0] = computed
            self._keep(new, computed)
        return rows[np.fromiter(map(distinct.__getitem__, texts), np.int64, len(texts))]

    def _slot(self, text: str) -> int:
        slot = self._slots.get(text, -1)
        if slot >= 0:
            self._slots.move_to_end(text)
        return slot

    def _keep(self, texts: list[str], rows: Scores) -> None:
        self.computed += len(texts)
        for text, row in zip(texts, rows, strict=True):
            if len(text) > _LONGEST:
                continue
            self._characters += len(text)
            while self._characters > self._most_characters or not self._free:
                oldest, slot = self._slots.popitem(last=False)
                self._free.append(slot)
                self._characters -= len(oldest)
            slot = self._free.pop()
            self._slots[text] = slot
            self._rows[slot] = row
