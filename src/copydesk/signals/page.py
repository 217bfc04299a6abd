"""A signals report as one HTML page that stands alone: no request, no script, light and dark.

What the page says about each figure is in `templates/signals.html`; here the figures are put in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from copydesk.rendering import rendered
from copydesk.signals.bars import Bars, bars_of, ticks_of
from copydesk.signals.findings import Cell, Findings
from copydesk.signals.sheet import QUIET_STORIES
from copydesk.signals.stories import SIMILARITY
from copydesk.signals.usual import DAYS, LEAST_DAYS, UNUSUAL_FROM

_MAP_PLACES, _CURVE_PLACES = 25, 6
_SHOWN = {"1h": 168, "1d": 91}
"""So many windows are drawn: a week of hours, a quarter of days."""


@dataclass(frozen=True)
class _Curve:
    """One place in a category's picture."""

    place: str
    bars: Bars


@dataclass(frozen=True)
class _Category:
    """One category over time, with the place and time where it was most unusual (or strongest)."""

    name: str
    curves: list[_Curve]
    top: Cell | None


def render_signals(findings: Findings, sheet: pl.DataFrame) -> str:
    """Return the page's HTML; the same report always gives the same text. Raises `MissingExtra`."""
    starts = sheet["start"].unique().sort().tail(_SHOWN[findings.span.every])
    shown = sheet.filter(pl.col("start") >= starts[0])
    rows = _map_rows(findings)
    return rendered(
        "signals.html",
        report=findings,
        rows=rows[:_MAP_PLACES],
        more_places=max(len(rows) - _MAP_PLACES, 0),
        recent=[(cell, _own_bars(shown, cell)) for cell in findings.recent],
        categories=_categories(findings, shown),
        ticks=ticks_of(starts.to_list(), findings.span.every),
        windows=len(starts),
        curve_places=_CURVE_PLACES,
        moment=moment,
        span=span,
        limits={
            "days": DAYS,
            "least": LEAST_DAYS,
            "unusual": UNUSUAL_FROM,
            "quiet": QUIET_STORIES,
            "alike": SIMILARITY,
        },
    )


def moment(at: datetime) -> str:
    """Return a time as people write it."""
    return f"{at:%a} {at.day} {at:%b %Y}, {at:%H:%M}"


def span(start: datetime, end: datetime) -> str:
    """Return a window as people write it."""
    if end - start >= timedelta(hours=20):
        return f"{start:%a} {start.day} {start:%b %Y}"
    return f"{moment(start)}–{end:%H:%M}"


def _map_rows(findings: Findings) -> list[tuple[str, list[Cell]]]:
    """Return the last window's cells by place: those with something unusual first, then those with most texts."""
    count = len(findings.categories)
    cells = findings.last
    rows = [(cells[place].values["place"], cells[place : place + count]) for place in range(0, len(cells), count)]

    def rank(row: tuple[str, Sequence[Cell]]) -> tuple[int, int, str]:
        values = row[1][0].values
        return (-sum(cell.is_unusual for cell in row[1]), -values["window_texts"], row[0])

    return sorted(rows, key=rank)


def _own_bars(shown: pl.DataFrame, cell: Cell) -> Bars:
    values = cell.values
    own = shown.filter(pl.col("place") == values["place"], pl.col("category") == values["category"])
    return bars_of(own["signal"].to_list(), own["unusual"].to_list())


def _categories(findings: Findings, shown: pl.DataFrame) -> list[_Category]:
    """Return the categories, that with the most unusual cell of late first."""
    tops: dict[str, Cell] = {}
    for cell in findings.recent:
        tops.setdefault(cell.values["category"], cell)
    named = [*tops, *(name for name in findings.categories if name not in tops)]
    texts = shown.unique(["place", "start"]).group_by("place").agg(pl.col("window_texts").sum())
    busiest = texts.sort(["window_texts", "place"], descending=[True, False])["place"].to_list()
    curves = shown.select("place", "category", "signal", "unusual").partition_by("place", "category", as_dict=True)

    def of(name: str) -> list[_Curve]:
        own = tops[name].values["place"] if name in tops else None
        places = [place for place in busiest if place != own]
        first = [own] if own is not None else []
        chosen = [*first, *places][:_CURVE_PLACES]
        parts = [(place, curves[place, name]) for place in chosen]
        return [_Curve(place, bars_of(part["signal"].to_list(), part["unusual"].to_list())) for place, part in parts]

    return [_Category(name, of(name), tops.get(name)) for name in named]
