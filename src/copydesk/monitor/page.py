"""A monitoring report as one HTML page that stands alone: no request, no script, light and dark, screen and paper.

It is made from the report's JSON and from nothing else, so page and JSON cannot differ. What it says about each figure
is in `templates/monitor.html`; here the figures are put in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from copydesk.monitor.charts import Dot, Scale, lines_of, scale_of
from copydesk.monitor.times import STEP, Every
from copydesk.rendering import rendered

Values = Mapping[str, Any]
LABELS, SLICES = 12, 10
"""So many labels and slices are shown at once; the others can be unfolded."""
_TICKS = 7
_DENSE = 2.5
_LEAST_SPAN = 0.06
"""Shares of right answers stand on a scale of at least so much: what differs less is mostly chance."""


@dataclass(frozen=True)
class Axis:
    """Where a period stands along a chart: from `left` on, `width` wide, all in 0 to 100; what it is called."""

    starts: list[datetime]
    every: Every
    first: datetime
    last: datetime

    def left(self, start: datetime) -> float:
        """Return where a period begins."""
        return 100 * ((start - self.first) / (self.last - self.first))

    @property
    def width(self) -> float:
        """How wide a period is."""
        return 100 * (STEP[self.every] / (self.last - self.first))

    def middle(self, start: datetime) -> float:
        """Return the middle of a period, from 0 to 1."""
        return (self.left(start) + self.width / 2) / 100

    def name(self, start: datetime) -> str:
        """Return what people call a period."""
        return f"{start:%-d %b %H:%M}" if self.every == "1h" else f"{start:%-d %b}"

    @property
    def is_dense(self) -> bool:
        """Whether there are so many periods that marks must be small."""
        return self.width < _DENSE

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places to write beneath a chart: the middle of a period, and its name."""
        count = round((self.last - self.first) / STEP[self.every])
        step = -(-count // _TICKS)
        starts = [self.first + STEP[self.every] * place for place in range(0, count, step)]
        return [(100 * self.middle(start), self.name(start).removesuffix(" 00:00")) for start in starts]


def render_monitor(report: Values) -> str:
    """Return the page's HTML of a report's JSON; the same values always give the same text. Raises `MissingExtra`."""
    axis = _axis(report)
    shares = [_label_row(row, report["periods"], axis) for row in report["labels"]]
    states = sorted(report["drift"]["states"], key=lambda state: (not state["drifted"], state["p_value"]))
    return rendered(
        "monitor.html",
        report=report,
        axis=axis,
        texts=_texts(report["periods"], axis),
        accuracy=_accuracy(report, axis),
        rate=_rate(report["periods"], axis),
        labels=shares[:LABELS],
        more_labels=shares[LABELS:],
        states=[(state, _strip(state["detector"], report["periods"], axis)) for state in states],
        slices=(report["feedback"] or {}).get("slices", [])[:SLICES],
        when=_when,
        versions=_versions(report["periods"]),
    )


def _axis(report: Values) -> Axis | None:
    starts = [datetime.fromisoformat(period["start"]) for period in report["periods"]]
    if not starts:
        return None
    return Axis(starts, report["every"], starts[0], starts[-1] + STEP[report["every"]])


def _when(written: str | None) -> str:
    """Return a time as people write it; UTC."""
    return f"{datetime.fromisoformat(written):%-d %B %Y, %H:%M}" if written else "never"


def _texts(periods: Sequence[Values], axis: Axis | None) -> Values | None:
    """Return the texts of each period as bars; those that drifted are marked."""
    if axis is None:
        return None
    scale = scale_of([period["texts"] for period in periods], from_zero=True)
    bars = [
        {
            "x": axis.left(start) + axis.width * 0.08,
            "width": axis.width * 0.84,
            "y": scale.y(period["texts"]),
            "title": f"{axis.name(start)}: {period['texts']:,} texts"
            + (f"; alarm: {', '.join(period['alarms'])}" if period["alarms"] else ""),
            "alarmed": bool(period["alarms"]),
        }
        for start, period in zip(axis.starts, periods, strict=True)
    ]
    return {"bars": bars, "scale": scale, "ticks": [(scale.y(tick), f"{tick:,.0f}") for tick in scale.ticks]}


def _accuracy(report: Values, axis: Axis | None) -> Values | None:
    """Return confidence and expected accuracy as lines, accuracy from drawn texts as dots with intervals."""
    periods, reference = report["periods"], report["reference"]
    drawn = [(period["feedback"] or {}).get("accuracy") for period in periods]
    values = [period[name] for period in periods for name in ("confidence", "expected_accuracy")]
    values += [one[end] for one in drawn if one for end in ("low", "high")]
    known = [value for value in [*values, reference and reference["accuracy"]] if value is not None]
    if axis is None or not known:
        return None
    scale = scale_of(known, least=_LEAST_SPAN, most=1.0)
    dots = [_dot(axis, start, one, scale) for start, one in zip(axis.starts, drawn, strict=True) if one]
    return {
        "scale": scale,
        "ticks": [(scale.y(tick), _percent(tick, scale)) for tick in scale.ticks],
        "expected": _line(periods, "expected_accuracy", axis, scale),
        "confidence": _line(periods, "confidence", axis, scale),
        "dots": dots,
        "reference": scale.y(reference["accuracy"]) if reference else None,
    }


def _rate(periods: Sequence[Values], axis: Axis | None) -> Values | None:
    """Return how many of a thousand answers users contradicted, as dots with intervals."""
    rates = [period["feedback"] and period["feedback"]["wrong_per_thousand"] for period in periods]
    ends = [rate["high"] for rate in rates if rate and rate["high"] is not None]
    if axis is None or not ends:
        return None
    scale = scale_of(ends, from_zero=True)
    dots = [
        Dot(
            100 * axis.middle(start),
            scale.y(rate["value"]),
            scale.y(rate["low"]),
            scale.y(rate["high"]),
            f"{axis.name(start)}: {rate['value']:.2f} of a thousand ({rate['low']:.2f} to {rate['high']:.2f})",
        )
        for start, rate in zip(axis.starts, rates, strict=True)
        if rate
    ]
    return {"dots": dots, "scale": scale, "ticks": [(scale.y(tick), f"{tick:g}") for tick in scale.ticks]}


def _dot(axis: Axis, start: datetime, one: Values, scale: Scale) -> Dot:
    return Dot(
        100 * axis.middle(start),
        scale.y(one["share"]),
        scale.y(one["low"]),
        scale.y(one["high"]),
        f"{axis.name(start)}: {one['share']:.1%} right of {one['n']:,} ({one['low']:.1%} to {one['high']:.1%})",
    )


def _line(periods: Sequence[Values], name: str, axis: Axis, scale: Scale) -> list[str]:
    """Return a line's stretches; where a period is missing it breaks."""
    points: list[tuple[float, float | None]] = []
    before = None
    for start, period in zip(axis.starts, periods, strict=True):
        if before is not None and start - before > STEP[axis.every]:
            points.append((axis.middle(start), None))
        points.append((axis.middle(start), period[name]))
        before = start
    return lines_of(points, scale)


def _label_row(row: Values, periods: Sequence[Values], axis: Axis | None) -> Values:
    """Return a label with a small curve of its share in every period, and where the reference's share lies in it."""
    totals = [sum(period["labels"].values()) for period in periods]
    shares = [
        period["labels"].get(row["label"], 0) / total if total else None
        for period, total in zip(periods, totals, strict=True)
    ]
    scale = Scale(0.0, max([*(share for share in shares if share), row["reference"] or 0.0, 1e-9]) * 1.1)
    points = [] if axis is None else [(axis.middle(at), one) for at, one in zip(axis.starts, shares, strict=True)]
    level = None if row["reference"] is None else scale.y(row["reference"])
    change = None if row["reference"] is None else 100 * (row["share"] - row["reference"])
    return {**row, "lines": lines_of(points, scale), "level": level, "change": change}


def _strip(detector: str, periods: Sequence[Values], axis: Axis | None) -> Sequence[Values]:
    """Return a detector's effect in every period that was judged as a bar, half as high where it begins to matter."""
    found = []
    for start, period in zip(axis.starts if axis else (), periods, strict=False):
        state = period["drift"].get(detector)
        if state and axis:
            size = _size(state)
            title = f"{axis.name(start)}: {state['effect']:.2g}"
            place = {"x": axis.left(start) + axis.width * 0.06, "width": axis.width * 0.88}
            found.append({**place, "height": 50 * min(size, 2.0), "drifted": state["drifted"], "title": title})
    return found


def _size(state: Values) -> float:
    """Return how large an effect is, 1 being what matters; an AUC begins at a half."""
    nothing = 0.5 if state["measure"] == "AUC" else 0.0
    share: float = (state["effect"] - nothing) / (state["least_effect"] - nothing)
    return max(share, 0.02)


def _versions(periods: Sequence[Values]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for period in periods:
        for version, n in period["versions"].items():
            counts[version] = counts.get(version, 0) + n
    return counts


def _percent(value: float, scale: Scale) -> str:
    return f"{value:.1%}" if scale.high - scale.low < 0.1 else f"{value:.0%}"
