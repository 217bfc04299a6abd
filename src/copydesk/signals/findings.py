"""What a reader is told first: the last window, and what was most unusual of late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from copydesk.signals.aggregate import Aggregated, Span
from copydesk.signals.headlines import Headline, headlines_of
from copydesk.signals.sheet import COLUMNS
from copydesk.signals.usual import UNUSUAL_FROM
from copydesk.signals.windows import ended

LEAST_SHOWN, MOST_SHOWN = 6, 12
_RECENT = {"1h": 24, "1d": 7}
"""So many windows count as of late."""


@dataclass(frozen=True)
class Cell:
    """One row of the sheet (`values`, by its columns) with the headlines behind it."""

    values: dict[str, Any]
    headlines: list[Headline] = field(default_factory=list)

    @property
    def is_unusual(self) -> bool:
        """Tell whether it is worth a look."""
        return bool(abs(self.values["unusual"] or 0) >= UNUSUAL_FROM)


@dataclass(frozen=True)
class Findings:
    """What a report says besides its sheet.

    `last` holds the cells of the last window that is over, by place and category (`is_running`: none is over yet);
    `recent` the most unusual of the last 24 hours (days: 7), one for each place and category, with `beyond` of them
    worth a look. Where nothing is usual yet they are the strongest. `model` names the model.
    """

    name: str
    model: dict[str, Any]
    span: Span
    first: datetime
    newest: datetime
    start: datetime
    end: datetime
    places: list[str]
    categories: list[str]
    counts: dict[str, int]
    notes: list[str]
    last: list[Cell]
    recent: list[Cell]
    beyond: int
    has_usual: bool
    is_running: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; times are ISO 8601 with the zone's offset."""
        found = asdict(self)
        found["span"].pop("now")
        found["last"] = [_plain(cell.values) for cell in self.last]
        found["recent"] = [
            {**_plain(cell.values), "headlines": [asdict(headline) for headline in cell.headlines]}
            for cell in self.recent
        ]
        for key in ("first", "newest", "start", "end"):
            found[key] = getattr(self, key).isoformat()
        return found


def findings_of(
    found: Aggregated, span: Span, *, name: str, categories: Sequence[str], model: dict[str, Any], notes: Sequence[str]
) -> Findings:
    """Return what to tell of an aggregated sheet."""
    sheet = found.sheet
    over = sheet.filter("over")
    start = (sheet if over.is_empty() else over)["start"].sort()[-1]
    places = sheet["place"].unique(maintain_order=True).to_list()
    recent, beyond = _recent(sheet, span.every)
    headlines = headlines_of(found.rows, recent)
    zone = sheet.schema["start"].time_zone  # type: ignore[attr-defined]
    first, last = pl.Series([found.first, found.last]).dt.convert_time_zone(zone).to_list()
    return Findings(
        name=name,
        model=model,
        span=span,
        first=first,
        newest=last,
        start=start,
        end=ended(start, span.every),
        places=places,
        categories=list(categories),
        counts={
            **found.counts.to_json(),
            "stories": found.stories,
            "odd_scores": found.odd,
            "other_places": found.merged,
        },
        notes=[*notes, *_notes(found)],
        last=[Cell(row) for row in _rows(sheet.filter(pl.col("start") == start))],
        recent=[Cell(row, own) for row, own in zip(_rows(recent), headlines, strict=True)],
        beyond=beyond,
        has_usual=sheet["unusual"].is_not_null().any(),
        is_running=over.is_empty(),
    )


def _recent(sheet: pl.DataFrame, every: str) -> tuple[pl.DataFrame, int]:
    """Return the most unusual cell of each place and category of late, and how many of these are worth a look."""
    starts = sheet["start"].unique().sort().tail(_RECENT[every])
    some = sheet.filter(
        pl.col("start").is_in(starts.implode()), (pl.col("stories") > 0) | (pl.col("unusual").abs() >= UNUSUAL_FROM)
    )
    ordered = some.with_columns(rank=pl.col("unusual").abs().fill_null(0), strength=pl.col("impact").abs()).sort(
        "rank", "strength", "start", "place", "number", descending=[True, True, True, False, False]
    )
    each = ordered.unique(["place", "category"], keep="first", maintain_order=True)
    beyond = int((each["rank"] >= UNUSUAL_FROM).sum())
    return each.head(min(max(beyond, LEAST_SHOWN), MOST_SHOWN)), beyond


def _notes(found: Aggregated) -> list[str]:
    counts = found.counts
    said = {
        f"{counts.no_time:,} rows have no time that can be read; they are left out.": counts.no_time,
        f"{counts.no_answer:,} rows have no answer (no text, or a broken one); they are left out.": counts.no_answer,
        f"{counts.in_future:,} rows are dated later than now; they are left out.": counts.in_future,
        f"{counts.outside:,} rows lie outside the time of this report.": counts.outside,
        f"{counts.unknown_place:,} texts name no place; they stand under (unknown).": counts.unknown_place,
        f"{found.merged:,} places with few texts stand together under (other).": found.merged,
        f"{found.odd:,} scores are no number; they do not count.": found.odd,
    }
    return [line for line, count in said.items() if count]


def _rows(sheet: pl.DataFrame) -> list[dict[str, Any]]:
    return list(sheet.select(*COLUMNS).iter_rows(named=True))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}
