"""Detectors: each looks at windows of what was answered for one kind of change since training.

A window is compared with the reference by a test that allows for the reference being a sample too. The p-values hold
for texts drawn one by one: texts that come in bursts of one story look like drift sooner. Pure: windows come in, states
go out; `drift.py` judges the states together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from copydesk.monitor.compare import (
    Cloud,
    Counts,
    Floats,
    binned,
    discrimination,
    divergence,
    homogeneity_p_value,
    ks_test,
    mean_shift_p_value,
    stability_index,
    tenths,
)

_SHOWN = 3
_MOSTLY = 0.9
_LEAST_VECTORS = 20
NO_LABEL = ""
"""Counted of a text that was given no label."""
PSI, JENSEN_SHANNON, KS, AUC = "PSI", "Jensen-Shannon", "KS", "AUC"


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
class Move:
    """What went from where to where: a label's share of all, the mean of a number."""

    name: str
    before: float
    now: float


@dataclass(frozen=True)
class State:
    """What a detector found in n texts (labels, where a text has several).

    `effect` is the size of the change in the measure `measure` (PSI, KS distance, AUC), of which `least_effect` would
    matter; `p_value` how probable so clear a change is without drift, `threshold` below what it is clear enough.
    `measures` holds the effect and others beside it, `moves` what changed, the most first; `detail` says it to people.
    Whether there is drift is for all detectors together to say (`drift.judged`), and so is the threshold.
    """

    detector: str
    n: int
    measure: str
    effect: float
    least_effect: float
    p_value: float
    detail: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    threshold: float = 0.0
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
    least_effect: float = 0.05

    def update(self, window: Window) -> State:
        """Compare counts by the chi-squared test of two samples."""
        counted = Counter(window.kinds.get(self.name, ()))
        names = sorted({*self.reference, *counted})
        before = np.array([self.reference.get(name, 0) for name in names], np.float64)
        now = np.array([counted[name] for name in names], np.float64)
        if not before.sum() or not now.sum():
            return _nothing(self.name, PSI, self.least_effect)
        measures, p_value = _measures(before, now), homogeneity_p_value(before, now)
        shares = zip(names, before / before.sum(), now / now.sum(), strict=True)
        moves = sorted((Move(*share) for share in shares), key=lambda move: -abs(move.now - move.before))
        detail = ", ".join(f"{move.name or '(none)'} {move.now - move.before:+.0%}" for move in moves[:_SHOWN])
        n = int(now.sum())
        return State(self.name, n, PSI, measures[PSI], self.least_effect, p_value, detail, measures, tuple(moves))


@dataclass(frozen=True)
class Distribution:
    """Changes of a number: the confidence, a length, a share of characters.

    The effect is the greatest distance between the two cumulative distributions (Kolmogorov and Smirnov).
    """

    name: str
    reference: Floats
    least_effect: float = 0.1

    def update(self, window: Window) -> State:
        """Compare values by the two-sample test; equal values make it cautious. What is no number does not count."""
        before, now = self.reference, _numbers(window.numbers.get(self.name))
        if not len(before) or not len(now):
            return _nothing(self.name, KS, self.least_effect)
        effect, p_value = ks_test(before, now)
        moves = tuple(
            Move(what, float(of(before)), float(of(now))) for what, of in (("mean", np.mean), ("median", np.median))
        )
        detail = f"mean {moves[0].before:.3g} → {moves[0].now:.3g}"
        measures = {KS: effect, **_measures(self._counts, binned(now, self._borders))}
        return State(self.name, len(now), KS, effect, self.least_effect, p_value, detail, measures, moves)

    @cached_property
    def _borders(self) -> Floats:
        return tenths(self.reference)

    @cached_property
    def _counts(self) -> Counts:
        return binned(self.reference, self._borders)


@dataclass(frozen=True)
class Presence:
    """Changes of a number that is 0 in nearly all texts: in how many it is not.

    A broken encoding shows in the few texts that have other letters than ASCII: far too few for a test of the whole
    distribution. The effect is the population stability index of texts with and without.
    """

    name: str
    reference: Floats
    least_effect: float = 0.05

    def update(self, window: Window) -> State:
        """Compare counts of texts by the chi-squared test, or Fisher's where they are few."""
        before, now = (_with_and_without(values) for values in (self.reference, window.numbers.get(self.name)))
        if not before.sum() or not now.sum():
            return _nothing(self.name, PSI, self.least_effect)
        measures, p_value = _measures(before, now), homogeneity_p_value(before, now)
        move = Move("texts with any", float(before[0] / before.sum()), float(now[0] / now.sum()))
        detail = f"in {move.before:.1%} → {move.now:.1%} of texts"
        n = int(now.sum())
        return State(self.name, n, PSI, measures[PSI], self.least_effect, p_value, detail, measures, (move,))


def number_detector(name: str, reference: Floats) -> Detector:
    """Return what watches a number: how many texts have any, where nine of ten have none; else its distribution."""
    values = _numbers(reference)
    if len(values) and (values == 0).mean() >= _MOSTLY:
        return Presence(name, values)
    return Distribution(name, values)


def _nothing(name: str, measure: str, least_effect: float) -> State:
    return State(name, 0, measure, 0.0, least_effect, 1.0, "nothing was measured")


def _measures(before: Counts, now: Counts) -> dict[str, float]:
    return {PSI: stability_index(before, now), JENSEN_SHANNON: divergence(before, now)}


def _numbers(values: Floats | None) -> Floats:
    if values is None:
        return np.empty(0, np.float32)
    found: Floats = values[np.isfinite(values)]
    return found


def _with_and_without(values: Floats | None) -> Counts:
    found = _numbers(values)
    some = np.count_nonzero(found)
    return np.array([some, len(found) - some], np.float64)


@dataclass(frozen=True)
class Topics:
    """Changes of what texts are about, by their vectors.

    Whether there is one, the distance of the means tells; the effect is how well a linear classifier tells new texts
    from those of the reference, as its AUC.
    """

    reference: Floats
    name: str = "topics"
    least_effect: float = 0.55

    def update(self, window: Window) -> State:
        """Compare vectors."""
        if min(window.n, len(self.reference)) < _LEAST_VECTORS:
            return _nothing(self.name, AUC, self.least_effect)
        area = discrimination(self.reference, window.vectors, self._cloud.covariance)
        p_value = mean_shift_p_value(self._cloud, Cloud.of(window.vectors))
        detail = f"told from the reference's in {area:.0%} of pairs (by chance: 50%)"
        return State(self.name, window.n, AUC, area, self.least_effect, p_value, detail, {AUC: area})

    @cached_property
    def _cloud(self) -> Cloud:
        return Cloud.of(self.reference)
