"""Detectors: each looks at windows of what was answered for one kind of change since training.

A window is compared with the reference by a test that allows for the reference being a sample too. The p-values hold
for texts drawn one by one: texts that come in bursts of one story look like drift sooner. Pure: windows come in, states
go out; `drift.py` judges the states together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.special import ndtr

from copydesk.monitor.compare import Floats, discrimination, homogeneity_p_value, ks_test, stability_index

_SHOWN = 3
_CHANCE = 0.5
_DRAWN = 250


@dataclass(frozen=True)
class Window:
    """What was asked and answered in n texts.

    `numbers` has by name shape (n,), `vectors` shape (n, dimensions). `kinds` holds by name what is counted: labels
    (several, one or none for a text), languages, stages of a cascade.
    """

    numbers: Mapping[str, Floats]
    vectors: Floats
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """The number of texts."""
        return len(self.vectors)


@dataclass(frozen=True)
class State:
    """What a detector found in a window.

    `effect` is the size of the change in the measure `measure` (PSI, KS distance, AUC), of which `least_effect` would
    matter; `p_value` how probable so clear a change is without drift. `detail` is for people. Whether there is drift is
    for all detectors together to say (`drift.judged`).
    """

    detector: str
    n: int
    measure: str
    effect: float
    least_effect: float
    p_value: float
    detail: str = ""
    drifted: bool = False


class Detector(Protocol):
    """Looks at windows for one kind of change."""

    def update(self, window: Window) -> State:
        """Return what this window shows."""
        ...


@dataclass(frozen=True)
class Shares:
    """Changes of shares: of labels, languages, a cascade's stages. The effect is the population stability index."""

    name: str
    reference: Mapping[str, int]
    least_effect: float = 0.1

    def update(self, window: Window) -> State:
        """Compare counts by the chi-squared test of two samples."""
        counted = Counter(window.kinds.get(self.name, ()))
        names = sorted({*self.reference, *counted})
        before = np.array([self.reference.get(name, 0) for name in names], np.float64)
        now = np.array([counted[name] for name in names], np.float64)
        effect, p_value = stability_index(before, now), homogeneity_p_value(before, now)
        moves = (now / max(now.sum(), 1)) - (before / max(before.sum(), 1))
        most = np.argsort(-np.abs(moves), kind="stable")[:_SHOWN]
        detail = ", ".join(f"{names[place] or '(unsure)'} {moves[place]:+.0%}" for place in most)
        return State(self.name, window.n, "PSI", effect, self.least_effect, p_value, detail)


@dataclass(frozen=True)
class Distribution:
    """Changes of a number: the confidence, a length, a share of characters.

    The effect is the greatest distance between the two cumulative distributions (Kolmogorov and Smirnov).
    """

    name: str
    reference: Floats
    least_effect: float = 0.1

    def update(self, window: Window) -> State:
        """Compare values by the two-sample test; equal values make it cautious."""
        now = window.numbers[self.name]
        effect, p_value = ks_test(self.reference, now)
        detail = f"mean {self.reference.mean():.3g} → {now.mean():.3g}"
        return State(self.name, window.n, "KS", effect, self.least_effect, p_value, detail)


class Topics:
    """Changes of what texts are about: how well a linear classifier tells the window's vectors from the reference's.

    The effect is its AUC. How far it strays from 0.5 without drift is found by drawing windows from the reference
    itself; the tail is taken as normal.
    """

    name = "topics"

    def __init__(self, reference: Floats, *, least_effect: float = 0.6, draws: int = 100, seed: int = 0) -> None:
        self._reference, self._least, self._draws, self._seed = reference, least_effect, draws, seed
        self._spread: float | None = None

    def update(self, window: Window) -> State:
        """Compare vectors by a classifier that must tell new texts from those of the reference."""
        area = discrimination(self._reference, window.vectors)
        p_value = float(ndtr((_CHANCE - area) / self._spread_of(window.n)))
        return State(self.name, window.n, "AUC", area, self._least, p_value, "0.5: not to be told apart; 1: always")

    def _spread_of(self, n: int) -> float:
        """Return the standard deviation of the AUC of n texts without drift.

        It is measured for windows of one size, and goes with the root of 1 / n + 1 / m as that of any such statistic.
        """
        m = len(self._reference)
        drawn = min(_DRAWN, m // 2)
        if self._spread is None:
            random = np.random.default_rng(self._seed)
            areas = []
            for _ in range(self._draws):
                order = random.permutation(m)
                areas.append(discrimination(self._reference[order[drawn:]], self._reference[order[:drawn]]))
            self._spread = float(np.sqrt(np.mean((np.array(areas) - _CHANCE) ** 2)))
        return self._spread * float(np.sqrt((1 / n + 1 / m) / (1 / drawn + 1 / (m - drawn))))
