"""How dear a model is next to another, both measured in one run: latency, size, memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from copydesk.gate.evidence import Evidence, Times, failure
from copydesk.metrics.base import SEED, Interval
from copydesk.recipe import MaxRatios
from copydesk.types import Failure

_RESAMPLES = 400
_ENDS = (5, 95)
_SAME = 1.05
"""A ratio up to this counts as no dearer: page faults and file systems differ by so much from run to run."""
_NEXT_TO_NOTHING = {"p95_latency_ms": 0.0, "bundle_mb": 10.0, "memory_mb": 50.0}
"""A cost that grows or falls by less than this is the same, whatever the ratio: 1 MB or 2 MB are no matter."""
UNITS = {"p95_latency_ms": "ms", "bundle_mb": "MB", "memory_mb": "MB"}


@dataclass(frozen=True)
class Ratio:
    """A cost of the candidate over that of production, with a 90 % interval (both ends the same where none is)."""

    cost: str
    candidate: float
    champion: float
    low: float
    high: float

    @property
    def matters(self) -> bool:
        """Tell whether the difference is more than next to nothing."""
        return abs(self.candidate - self.champion) >= _NEXT_TO_NOTHING[self.cost]

    @property
    def value(self) -> float:
        """The ratio."""
        return self.candidate / self.champion if self.champion else float("inf")

    def __str__(self) -> str:
        unit = UNITS[self.cost]
        interval = f" ({self.low:.2f} to {self.high:.2f})" if self.low < self.high else ""
        return f"{self.value:.2f} x{interval}: {self.candidate:,.3g} {unit} against {self.champion:,.3g} {unit}"


def cost_ratios(candidate: Evidence, champion: Evidence) -> list[Ratio]:
    """Return the ratios of latency, size and memory."""
    found = []
    for cost in UNITS:
        mine, its = getattr(candidate, cost), getattr(champion, cost)
        ends = (mine / its, mine / its) if its else (float("inf"), float("inf"))
        if cost == "p95_latency_ms":
            ends = _latency_interval(candidate.times_ms, champion.times_ms)
        found.append(Ratio(cost, mine, its, *ends))
    return found


def too_dear(ratios: list[Ratio], most: MaxRatios) -> list[Failure]:
    """Return the costs that are more than so many times production's, and shown to be higher at all."""
    failures = []
    for ratio in ratios:
        limit = getattr(most, ratio.cost)
        if limit is not None and ratio.value > limit and ratio.low > _SAME and ratio.matters:
            failures += failure(
                f"max_ratios.{ratio.cost}",
                f"at most {limit:g} x production's",
                str(ratio),
                f"The candidate is {ratio.value:.1f} times as dear as what is in production.",
            )
    return failures


def is_cheaper(ratios: list[Ratio], share: float) -> bool:
    """Tell whether one cost is shown to be at most such a share of production's, and none is higher."""
    cheaper = any(ratio.high <= share and ratio.matters for ratio in ratios)
    return cheaper and not any(ratio.low > _SAME and ratio.matters for ratio in ratios)


def _latency_interval(mine: Times, its: Times) -> Interval:
    """Return the 90 % interval of the ratio of slow texts' times.

    Rounds and texts are both drawn anew, the same for the two models, which were measured in turns: what slows the
    machine down for a while slows both.
    """
    rng = np.random.default_rng(SEED)
    rounds, texts = mine.shape
    rows = rng.integers(rounds, size=(_RESAMPLES, rounds, 1))
    columns = rng.integers(texts, size=(_RESAMPLES, 1, texts))
    slow = [np.percentile(times[rows, columns].min(axis=1), 95, axis=1) for times in (mine, its)]
    low, high = np.percentile(slow[0] / slow[1], _ENDS)
    return float(low), float(high)
