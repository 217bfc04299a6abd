"""What identical texts were given before, so that each is scored once; within bounded memory, the latest are kept.

Texts are kept in two generations: when the young one is full, it becomes the old one, and what nobody asked for since
the old one's time is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from copydesk.tasks import Scores

_TEXTS = 50_000
_CHARACTERS = 1 << 23
_SCORES_BYTES = 1 << 24
"""The most that one generation holds."""
_LONGEST = 10_000
"""Longer texts are seldom repeated, and a few would push out all others."""


class Seen:
    """The scores of the texts that were asked for last."""

    def __init__(self, outputs: int, *, texts: int = _TEXTS, characters: int = _CHARACTERS) -> None:
        self._texts = max(min(texts, _SCORES_BYTES // (8 * max(outputs, 1))), 1)
        self._characters, self._left = characters, characters
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._rows = np.zeros((2 * self._texts, outputs))
        self._base = 0  # where the young generation's rows begin
        self.computed = 0

    def scores(self, texts: Sequence[str], compute: Callable[[list[str]], Scores]) -> Scores:
        """Return a row of scores per text; `compute` is asked only for texts that are new, each once."""
        distinct = list(dict.fromkeys(texts))
        young, old = self._young, self._old
        slots = np.array([young[text] if text in young else old.get(text, -1) for text in distinct], np.int64)
        rows: Scores = self._rows[slots]
        new = np.flatnonzero(slots < 0)
        if new.size:
            rows[new] = compute([distinct[place] for place in new])
            self.computed += new.size
        self._keep([(text, place) for place, text in enumerate(distinct) if text not in young], rows)
        if len(distinct) == len(texts):
            return rows
        places = dict(zip(distinct, range(len(distinct)), strict=True))
        return rows[[places[text] for text in texts]]

    def _keep(self, found: list[tuple[str, int]], rows: Scores) -> None:
        """Add texts to the young generation, of more than it can hold the last."""
        kept = [(text, place) for text, place in found if len(text) <= _LONGEST][-self._texts :]
        size = sum(len(text) for text, _ in kept)
        if len(self._young) + len(kept) > self._texts or size > self._left:
            self._old, self._young = self._young, {}
            self._base, self._left = self._texts - self._base, self._characters
        if not kept or size > self._left:
            return
        start = self._base + len(self._young)
        self._rows[start : start + len(kept)] = rows[[place for _, place in kept]]
        self._young.update(zip((text for text, _ in kept), range(start, start + len(kept)), strict=True))
        self._left -= size
