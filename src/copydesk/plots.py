"""The plots of the evaluation page: numbers to SVG text that is pasted into HTML.

Colours are the page's CSS variables (`--ink`, `--muted`, `--line`, `--accent`, `--alert`), so a plot follows light and
dark mode, and the font is the page's. No text from data is drawn: the page shows it as HTML. matplotlib's settings
belong to the whole process; they are changed while a plot is drawn and put back, so two threads must not draw at once.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from copydesk.errors import MissingExtra
from copydesk.metrics.base import proportion_interval
from copydesk.types import ReliabilityBin, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, ACCENT, ALERT = "#010101", "#010102", "#010103", "#010104", "#010105"
_CSS_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    ALERT: "var(--alert)",
}
_SETTINGS: Any = {  # Any: the allowed keys are a Literal that differs between versions of matplotlib
    "svg.fonttype": "none",
    "svg.hashsalt": "copydesk",
    "text.parse_math": False,
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}


def reliability_svg(bins: Sequence[ReliabilityBin], *, name: str = "reliability") -> str:
    """Draw how often a score was right (95 % Wilson intervals), and under it how many texts had such a score.

    `name` must differ from that of every other plot in the page. Raises `MissingExtra`.
    """
    filled = [part for part in bins if part.n > 0 and math.isfinite(part.score) and math.isfinite(part.accuracy)]
    spoken = "; ".join(f"score {part.score:.2f}: {part.accuracy:.0%} right of {part.n:,}" for part in filled)
    return draw_svg(
        lambda figure: _reliability(figure, filled),
        size=(5.0, 4.9),
        name=name,
        title="Reliability diagram: the share of right answers against the score, and how many texts had each score",
        description=f"{spoken}.",
    )


def learning_curve_svg(history: Sequence[Step], *, quality: str = "accuracy", name: str = "learning-curve") -> str:
    """Draw losses, and validation quality where it was measured, against the number of training texts seen.

    `quality` names its metric; `name` must differ from that of every other plot in the page. Raises `MissingExtra`.
    """
    measured = _points(history, lambda step: step.validation_quality)
    values = [value for _, value in measured]
    spoken = (
        f"{values[0]:.4f} at first, {max(values):.4f} at best, {values[-1]:.4f} at the end"
        if values
        else "not measured"
    )
    return draw_svg(
        lambda figure: _learning_curve(figure, history, quality),
        size=(5.0, 4.9 if measured else 3.1),
        name=name,
        title=f"Learning curve: loss and validation {quality} against the number of training texts seen",
        description=f"Validation {quality}: {spoken}.",
    )


def _reliability(figure: Figure, bins: Sequence[ReliabilityBin]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1])
    scores, accuracies = [part.score for part in bins], [part.accuracy for part in bins]
    intervals = [proportion_interval(round(part.accuracy * part.n), part.n) for part in bins]
    low, high = [low for low, _ in intervals], [high for _, high in intervals]
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    upper.text(0.07, 0.13, "perfectly honest", color=MUTED, rotation=45, transform_rotates_text=True)
    upper.vlines(scores, low, high, color=ACCENT, linewidth=1.6)
    upper.plot(scores, accuracies, "o", color=ACCENT, markersize=5.5)
    upper.set(xlim=(0, 1.02), ylim=(0, 1.04), ylabel="share that was right")
    upper.tick_params(bottom=False)
    lower.bar(scores, [part.n for part in bins], width=0.035, color=ACCENT, alpha=0.75)
    lower.set(yscale="log", ylim=(0.7, 2 * max([part.n for part in bins], default=1)))
    lower.minorticks_off()
    lower.set(xlabel="score of the answer", ylabel="texts (log)")
    upper.yaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
    lower.yaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")


def _learning_curve(figure: Figure, history: Sequence[Step], quality: str) -> None:
    training = _points(history, lambda step: step.loss)
    validation = _points(history, lambda step: step.validation_loss)
    measured = _points(history, lambda step: step.validation_quality)
    losses, *others = figure.subplots(2 if measured else 1, 1, sharex=True, squeeze=False)[:, 0]
    _line(losses, training, label="training", color=MUTED, linewidth=1.2)
    _line(losses, validation, label="validation", color=ACCENT, linewidth=1.6, marker="o", markersize=4.5)
    losses.set(ylabel="loss")
    losses.set_ylim(bottom=0)
    if training or validation:
        losses.legend(frameon=False, loc="upper right")
    for axes in others:
        _line(axes, measured, color=ACCENT, linewidth=1.6, marker="o", markersize=4.5)
        axes.set(ylabel=f"validation {quality}")
    last = [losses, *others][-1]
    last.set(xlabel="training texts seen")
    last.set_xlim(left=0)
    last.locator_params(axis="x", nbins=5)
    last.xaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")


def _line(axes: Axes, points: Sequence[tuple[float, float]], **style: Any) -> None:  # noqa: ANN401 (matplotlib's own keywords)
    if points:
        axes.plot([x for x, _ in points], [y for _, y in points], **style)


def _points(history: Sequence[Step], value: Callable[[Step], float | None]) -> list[tuple[float, float]]:
    found = [(float(step.examples), value(step)) for step in history]
    return [(examples, y) for examples, y in found if y is not None and math.isfinite(y)]


def draw_svg(
    fill: Callable[[Figure], None], *, size: tuple[float, float], name: str, title: str, description: str
) -> str:
    """Return what `fill` draws on a figure as SVG for a page; see the module's first lines. Raises `MissingExtra`."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("Drawing the report's plots", "train", "matplotlib") from None
    page = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own matplotlibrc must not change the page
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(page, format="svg", transparent=True, metadata=nothing)
    return _inlined(page.getvalue(), name=name, title=title, description=description)


def _inlined(svg: str, *, name: str, title: str, description: str) -> str:
    """Make matplotlib's SVG file fit to be pasted: the page's colours and font, ids of its own, a spoken title."""
    view_box = re.search(r'viewBox="([^"]+)"', svg)
    body = svg[svg.index("</defs>") + len("</defs>") :]  # what stands before is the prolog and a rule for every element
    body = re.sub(r"font-family: [^;]+; ?", "", body)
    body = re.sub(r' id="(?!m[0-9a-f]{10}"|p[0-9a-f]{10}")[^"]*"', "", body)
    body = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    for colour, variable in _CSS_COLOURS.items():
        body = body.replace(colour, variable)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="plot" role="img" '
        f'viewBox="{view_box[1] if view_box else ""}" aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>{" ".join(body.split())}'
    )
