"""The learning curve that a run leaves, thinned for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from copydesk.types import Step

_CURVE_POINTS = 100


def thinned(history: Sequence[Step], most: int = _CURVE_POINTS) -> list[Step]:
    """Return the learning curve with at most so many training points, each the mean of its stretch of updates."""
    losses = [step for step in history if step.loss is not None]
    size = max(1, -(-len(losses) // most))
    kept = [_mean(losses[start : start + size]) for start in range(0, len(losses), size)]
    return sorted([*kept, *(step for step in history if step.loss is None)], key=lambda step: step.step)


def _mean(steps: Sequence[Step]) -> Step:
    """Return the last of some training points with the mean loss and rate of all."""
    rates = [step.examples_per_second for step in steps if step.examples_per_second]
    loss = sum(step.loss or 0.0 for step in steps) / len(steps)
    return replace(steps[-1], loss=loss, examples_per_second=sum(rates) / len(rates) if rates else None)
