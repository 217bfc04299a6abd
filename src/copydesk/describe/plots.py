"""The plots of a description's page: lengths, growth, ranks of labels; drawn as `copydesk.plots` says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from copydesk.describe.facts import Measure, TimeFacts
from copydesk.plots import ACCENT, ALERT, INK, MUTED, draw_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = 5
_FORMATS = {"day": "%d %b %Y", "week": "%d %b %Y", "month": "%b %Y", "quarter": "%b %Y", "year": "%Y"}


def length_svg(measure: Measure, *, limit: int | None = None) -> str:
    """Draw how many texts have which length; what lies beyond `limit` stands out. Raises `MissingExtra`."""
    median, longest = measure.quantiles["median"], measure.quantiles["longest"]
    cut = f" The encoder reads {limit:,}." if limit else ""
    return draw_svg(
        lambda figure: _length(figure, measure, limit),
        size=(4.4, 2.7),
        name=f"length-{measure.unit}",
        title=f"Lengths in {measure.unit}: how many texts are how long",
        description=f"Median {median:,.0f}, longest {longest:,.0f} {measure.unit}.{cut}",
    )


def growth_svg(time: TimeFacts) -> str:
    """Draw the number of texts in each period. Raises `MissingExtra`."""
    return draw_svg(
        lambda figure: _growth(figure, time),
        size=(7.4, 2.7),
        name="growth",
        title=f"Texts over time, by {time.period}",
        description=f"{sum(time.counts):,} texts from {time.first[:10]} to {time.last[:10]}.",
    )


def ranks_svg(before: Sequence[int], after: Sequence[int]) -> str:
    """Draw labels' numbers of texts in order, before and after resampling (if there was any). Raises `MissingExtra`."""
    return draw_svg(
        lambda figure: _ranks(figure, before, after),
        size=(6.2, 3.2),
        name="ranks",
        title="Texts per label, from the commonest label to the rarest",
        description=f"{len(before)} labels, from {max(before):,} texts to {min(before):,}.",
    )


def _length(figure: Figure, measure: Measure, limit: int | None) -> None:
    axes = figure.subplots()
    left, widths = measure.edges[:-1], [b - a for a, b in zip(measure.edges, measure.edges[1:], strict=False)]
    colours = [ALERT if limit and edge >= limit else ACCENT for edge in left]
    axes.bar(left, measure.counts, width=widths, align="edge", color=colours, alpha=0.75, linewidth=0)
    top = 1.18 * max(measure.counts)
    marks = [(measure.quantiles["median"], f"median {measure.quantiles['median']:,.0f}", INK, "left")]
    if limit and limit < measure.edges[-1]:
        marks.append((float(limit), f"limit {limit:,}", ALERT, "right" if limit > measure.edges[-1] / 2 else "left"))
    for height, (at, words, colour, side) in zip((0.99, 0.86), marks, strict=False):
        axes.axvline(at, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        shift = 0.012 * measure.edges[-1] * (1 if side == "left" else -1)
        axes.text(at + shift, top * height, words, color=colour, va="top", ha=side)
    axes.set(xlim=(0, measure.edges[-1]), ylim=(0, top), xlabel=measure.unit, ylabel="texts")
    axes.locator_params(axis="both", nbins=_TICKS)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, position: f"{value:,.0f}")


def _growth(figure: Figure, time: TimeFacts) -> None:
    axes = figure.subplots()
    places = range(len(time.starts))
    axes.bar(places, time.counts, width=0.86, color=ACCENT, alpha=0.75, linewidth=0)
    step = max(1, -(-len(time.starts) // _TICKS))
    ticks = list(places)[::step]
    names = [date.fromisoformat(time.starts[place]).strftime(_FORMATS[time.period]) for place in ticks]
    axes.set_xticks(ticks, names)
    axes.set(ylabel="texts", ylim=(0, 1.05 * max(time.counts)))
    axes.grid(visible=False, axis="x")
    axes.locator_params(axis="y", nbins=_TICKS)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")


def _ranks(figure: Figure, before: Sequence[int], after: Sequence[int]) -> None:
    axes = figure.subplots()
    lines = [("as it is", before, ACCENT)] + ([("after resampling", after, MUTED)] if after else [])
    for label, counts, colour in lines:
        ranked = sorted((count for count in counts if count), reverse=True)
        axes.plot(range(1, len(ranked) + 1), ranked, color=colour, linewidth=1.8, label=label)
    axes.set(yscale="log", xlabel="label, from the commonest to the rarest", ylabel="texts (log)")
    axes.set_xlim(1, max(len(before), 2))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")
    if after:
        axes.legend(frameon=False, loc="upper right")
