"""Signals over time as small bars: numbers to SVG paths, in units of one window and of a signal of 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from copydesk.signals.usual import UNUSUAL_FROM

_MOST_TICKS = 8
_LEAST_HEIGHT = 0.02


@dataclass(frozen=True)
class Bars:
    """Paths in a picture `width` wide and 2 high, 0 in the middle: good, bad, windows without a text, unusual ones."""

    width: int
    good: str
    bad: str
    empty: str
    marks: str


@dataclass(frozen=True)
class Tick:
    """A place on the axis of time, 0 to 1 from the left, and its name."""

    at: float
    name: str


def bars_of(signals: Sequence[float | None], unusual: Sequence[float | None]) -> Bars:
    """Return the bars of one place and category, one for each window."""
    good: list[str] = []
    bad: list[str] = []
    empty, marks = [], []
    for place, (signal, distance) in enumerate(zip(signals, unusual, strict=True)):
        if signal is None:
            empty.append(f"M{place} 0h1v2h-1z")
        elif abs(signal) >= _LEAST_HEIGHT:
            (good if signal > 0 else bad).append(f"M{place + 0.1:.1f} 1h.8v{-signal:.2f}h-.8z")
        if abs(distance or 0) >= UNUSUAL_FROM:
            marks.append(f"M{place + 0.1:.1f} {'1.88' if (distance or 0) < 0 else '0'}h.8v.12h-.8z")
    return Bars(len(signals), "".join(good), "".join(bad), "".join(empty), "".join(marks))


def ticks_of(starts: Sequence[datetime], every: str) -> list[Tick]:
    """Return the midnights among hours, or the Mondays among days, at most eight."""
    firsts = [
        place for place, start in enumerate(starts) if (start.hour == 0 if every == "1h" else start.weekday() == 0)
    ]
    step = -(-len(firsts) // _MOST_TICKS) or 1
    return [Tick(place / len(starts), f"{starts[place].day} {starts[place]:%b}") for place in firsts[::step]]
