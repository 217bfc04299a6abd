"""The difference of two models in one metric, from texts that both have answered, with what is shown of it.

Three tests. `exact`: the trinomial test of `paired.py`, for the share of right texts only. `paired_bootstrap`: any
metric. `mcnemar`: McNemar's mid-p test for the share of right texts; as it knows no other difference than none, the
interval's lower end comes from the exact test where no rise is shown. `auto` is `exact` where that fits, else the
bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from copydesk.metrics.base import Interval
from copydesk.metrics.bootstrap import paired_rises
from copydesk.metrics.paired import CONFIDENCE, drop_p_value, mcnemar_interval, rise_interval
from copydesk.metrics.tally import LOWER_IS_BETTER, Tallies

Test = Literal["auto", "exact", "paired_bootstrap", "mcnemar"]


@dataclass(frozen=True)
class Difference:
    """What is known of a new model against an old one in a metric.

    `rise` is how much better the new one is on these texts, whichever way the metric counts. It is at least `low` with
    this `confidence`, and at most `high` with the same. `losses` and `gains` count texts of which only the old, and
    only the new model's answer is wholly right.
    """

    metric: str
    new: float
    old: float
    rise: float
    low: float
    high: float
    texts: int
    losses: int
    gains: int
    test: Test
    confidence: float = CONFIDENCE

    @property
    def is_better(self) -> bool:
        """Tell whether a rise is shown."""
        return self.low > 0

    def is_not_worse(self, max_drop: float) -> bool:
        """Tell whether a drop of `max_drop` or more is excluded."""
        return self.low > -max_drop


def difference(
    new: Tallies, old: Tallies, metric: str, *, test: Test = "auto", confidence: float = CONFIDENCE
) -> Difference:
    """Compare two models' answers to the same texts in a metric.

    Raises `KeyError` if there is no such metric, `ValueError` if the test does not fit it.
    """
    texts = len(new.right)
    losses, gains = discordant(new, old)
    chosen = _chosen(test, metric, new.share)
    was, now = old.figures()[metric], new.figures()[metric]
    if chosen == "paired_bootstrap":
        low, high = _bootstrapped(new, old, metric, confidence)
    elif chosen == "mcnemar":
        low, high = _by_mcnemar(losses, gains, texts, confidence)
    else:
        low, high = rise_interval(losses, gains, texts, confidence)
    rise = was - now if metric in LOWER_IS_BETTER else now - was
    return Difference(metric, now, was, rise, low, high, texts, losses, gains, chosen, confidence)


def discordant(new: Tallies, old: Tallies) -> tuple[int, int]:
    """Return how many texts only the old, and only the new answer is wholly right of."""
    return int((old.right & ~new.right).sum()), int((new.right & ~old.right).sum())


def drop_is_shown(losses: int, gains: int, texts: int, drop: float) -> float:
    """Return the p-value of a drop above `drop`, a share of the texts: small where so large a drop is shown."""
    return drop_p_value(gains, losses, texts, -drop) if texts else 1.0


def holm(p_values: dict[str, float], level: float) -> list[str]:
    """Return what is shown of several things at once, with one false claim or more in at most `level` of all cases.

    Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    ranked = sorted(p_values, key=lambda name: p_values[name])
    for place, name in enumerate(ranked):
        if p_values[name] > level / (len(ranked) - place):
            return ranked[:place]
    return ranked


def _chosen(test: Test, metric: str, share: str) -> Test:
    if test == "auto":
        return "exact" if metric == share else "paired_bootstrap"
    if test != "paired_bootstrap" and metric != share:
        fits = f"fits {share} only" if share else "fits none of this task's metrics"
        raise ValueError(f"the test {test!r} {fits}, not {metric!r}")
    return test


def _by_mcnemar(losses: int, gains: int, texts: int, confidence: float) -> Interval:
    low, high = mcnemar_interval(losses, gains, texts, confidence)
    least, most = rise_interval(losses, gains, texts, confidence)
    return (low if low > 0 else min(least, 0.0), high if high < 0 else max(most, 0.0))


def _bootstrapped(new: Tallies, old: Tallies, metric: str, confidence: float) -> Interval:
    rises = paired_rises(new.holding(metric), old.holding(metric), metric)
    low, high = np.quantile(rises, [1 - confidence, confidence])
    return float(low), float(high)
