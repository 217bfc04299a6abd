"""The plots of a search's page: history, parallel coordinates, importance; drawn as `copydesk.plots` says."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from copydesk.plots import ACCENT, INK, LINE, MUTED, draw_svg
from copydesk.tuning.findings import Attempt, State, Tuning, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOGARITHMIC = frozenset({"learning_rate", "batch_tokens"})
_GOOD_SHARE = 0.2
_QUALITY = "quality"


def history_svg(tuning: Tuning) -> str:
    """Draw every trial's quality in order, and the best so far as a line. Raises `MissingExtra`."""
    best = tuning.attempt(tuning.best)
    return draw_svg(
        lambda figure: _history(figure, tuning),
        size=(7.4, 3.6),
        name="history",
        title="Quality of every trial in the order they were made, with the best so far as a line",
        description=f"{len(tuning.attempts)} trials; the best is trial {best.number} with {best.quality or 0:.4f}.",
    )


def parallel_svg(tuning: Tuning) -> str:
    """Draw each trial as a line over the settings to its quality; the best fifth stands out. Raises `MissingExtra`."""
    return draw_svg(
        lambda figure: _parallel(figure, tuning),
        size=(7.4, 3.9),
        name="parallel",
        title="Parallel coordinates: each trial is a line from its settings to its quality",
        description=f"Axes: {', '.join(_words(name) for name in (*tuning.ranges, _QUALITY))}.",
    )


def importance_svg(tuning: Tuning) -> str:
    """Draw how much of the differences in quality each setting explains. Raises `MissingExtra`."""
    spoken = ", ".join(f"{_words(name)} {share:.0%}" for name, share in tuning.importance.items())
    return draw_svg(
        lambda figure: _importance(figure, tuning),
        size=(5.6, 0.7 + 0.42 * len(tuning.importance)),
        name="importance",
        title="Importance of each setting: its share of the differences in quality",
        description=f"{spoken}.",
    )


def _history(figure: Figure, tuning: Tuning) -> None:
    axes = figure.subplots()
    low, high = _view(tuning)
    finished, pruned = _points(tuning, "complete"), _points(tuning, "pruned")
    best = list(accumulate((quality for _, quality in finished), max))
    last = max(attempt.number for attempt in tuning.attempts)
    axes.step([*(number for number, _ in finished), last], [*best, best[-1]], where="post", color=ACCENT, linewidth=1.4)
    hidden = [number for number, quality in (*finished, *pruned) if quality < low]
    ring: Any = {"color": ACCENT, "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.8}
    marks: list[tuple[str, str, list[tuple[int, float]], Any]] = [
        ("finished", "o", finished, {"color": INK, "markersize": 4.5}),
        ("best", "o", [point for point in finished if point[0] == tuning.best], ring),
        ("given up", "x", pruned, {"color": MUTED, "markersize": 5}),
        ("below the scale", "v", [(number, low) for number in hidden], {"color": MUTED, "markersize": 5}),
    ]
    for label, mark, points, style in marks:
        shown = [point for point in points if point[1] >= low]
        if shown:
            axes.plot([number for number, _ in shown], [quality for _, quality in shown], mark, label=label, **style)
    axes.set(xlabel="trial (0 is what auto chose)", ylabel="quality on validation")
    axes.set_ylim(low - 0.04 * (high - low), high)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, handletextpad=0.2)


def _points(tuning: Tuning, state: State) -> list[tuple[int, float]]:
    """Return the numbers and qualities of the trials that ended so."""
    known = [(attempt.number, attempt.quality) for attempt in tuning.attempts if attempt.state == state]
    return [(number, quality) for number, quality in known if quality is not None]


def _view(tuning: Tuning) -> tuple[float, float]:
    """Return the scale's part where most trials are: one that came to nothing must not flatten the rest."""
    known = sorted(attempt.quality for attempt in tuning.attempts if attempt.quality is not None)
    low, high = known[len(known) // 10], known[-1]
    room = max(0.12 * (high - low), 0.002)
    return low - 2.5 * room, high + room


def _parallel(figure: Figure, tuning: Tuning) -> None:
    axes = figure.subplots()
    names = [*tuning.ranges, _QUALITY]
    ends = {**tuning.ranges, _QUALITY: _quality_ends(tuning)}
    shown = [attempt for attempt in tuning.attempts if attempt.state == "complete" and attempt.quality is not None]
    ranked = sorted(shown, key=lambda attempt: attempt.quality or 0)
    good = {attempt.number for attempt in ranked[-max(1, round(_GOOD_SHARE * len(ranked))) :]}
    for attempt in ranked:
        heights = [_place(name, _coordinate(attempt, name), ends[name]) for name in names]
        style: Any = (
            {"color": ACCENT, "linewidth": 2.6 if attempt.number == tuning.best else 1.5}
            if attempt.number in good
            else {"color": MUTED, "linewidth": 0.8, "alpha": 0.45}
        )
        axes.plot(range(len(names)), heights, **style)
    for place, name in enumerate(names):
        _axis(axes, place, name, ends[name])
    axes.set(xlim=(-0.4, len(names) - 0.6), ylim=(-0.12, 1.24))
    axes.set_axis_off()


def _axis(axes: Axes, place: int, name: str, ends: tuple[float, float]) -> None:
    axes.plot([place, place], [0, 1], color=LINE, linewidth=1.2, zorder=0.5)
    axes.text(place, 1.17, _words(name), ha="center", color=INK, fontweight="bold")
    for height, at, stands in ((0, -0.035, "top"), (1, 1.035, "bottom")):
        axes.text(place, at, _tick(name, ends[height]), color=MUTED, ha="center", va=stands, fontsize=9)


def _importance(figure: Figure, tuning: Tuning) -> None:
    axes = figure.subplots()
    rows = list(reversed(tuning.importance.items()))
    axes.barh([_words(name) for name, _ in rows], [share for _, share in rows], color=ACCENT, height=0.55)
    for row, (_, share) in enumerate(rows):
        axes.text(share + 0.01, row, f"{share:.0%}", va="center", color=MUTED)
    axes.set(xlim=(0, max(max(share for _, share in rows) * 1.15, 0.1)))
    axes.xaxis.set_visible(False)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(left=False)


def _coordinate(attempt: Attempt, name: str) -> float:
    return attempt.quality or 0.0 if name == _QUALITY else float(attempt.settings[name])


def _quality_ends(tuning: Tuning) -> tuple[float, float]:
    known = [
        attempt.quality for attempt in tuning.attempts if attempt.state == "complete" and attempt.quality is not None
    ]
    return min(known), max(known)


def _place(name: str, value: float, ends: tuple[float, float]) -> float:
    """Return where a value stands between the ends, 0 to 1; ends that are one point: the middle."""
    low, high, at = (math.log(number) if name in _LOGARITHMIC else number for number in (*ends, value))
    return (at - low) / (high - low) if high > low else 0.5


def _tick(name: str, value: float) -> str:
    return f"{value:.3f}" if name == _QUALITY else plain(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
