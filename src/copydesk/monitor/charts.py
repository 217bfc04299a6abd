"""Series of a monitoring report as places in a chart, from 0 to 100 both ways, down as SVG counts.

The page draws them as shapes that stretch with it, and writes the figures beside them as HTML, so that they can be read
on a telephone. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Point = tuple[float, float | None]
"""A place along the chart, 0 to 1, and a value; None where there is none."""
_TOP = 100.0


@dataclass(frozen=True)
class Dot:
    """A value with its interval; `title` is shown when somebody points at it."""

    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class Scale:
    """The ends of a chart's values, and where lines stand across it."""

    low: float
    high: float
    ticks: list[float] = field(default_factory=list)

    def y(self, value: float) -> float:
        """Return the place of a value; what lies beyond an end is put there."""
        share = (value - self.low) / (self.high - self.low)
        return round(_TOP * (1 - min(max(share, 0.0), 1.0)), 2)


def scale_of(
    values: Sequence[float], *, from_zero: bool = False, least: float = 0.0, most: float | None = None
) -> Scale:
    """Return a scale with two to five round steps that holds all values, and is `least` long, so that noise looks small."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = 0.0 if from_zero else min(low, (low + high - least) / 2)
    high = max(high, low + least)
    step = _round_step((high - low or abs(high) or 1.0) / 3)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    if high <= low:
        high = low + step
    if most is not None and high > most:
        high = most
    count = round((high - low) / step)
    return Scale(low, high, [round(low + place * step, 10) for place in range(count + 1)])


def lines_of(points: Sequence[Point], scale: Scale) -> list[str]:
    """Return the points of one line for each stretch without a gap; a stretch of one point is a short line."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((x * _TOP, scale.y(value)))
    return [
        " ".join(f"{x:.2f},{y:.2f}" for x, y in (part if len(part) > 1 else part * 2)) for part in stretches if part
    ]


def _round_step(wanted: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below what is wanted."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9))
