"""Rows of any number to a sheet, by whole days at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from copydesk.errors import DataError
from copydesk.monitor.times import moment
from copydesk.progress import Progress, Silent
from copydesk.signals import windows
from copydesk.signals.cells import sums_of, together
from copydesk.signals.counts import RowCounts, counted
from copydesk.signals.rows import OTHER
from copydesk.signals.sheet import sheet_of
from copydesk.signals.stories import with_weights
from copydesk.signals.windows import Every

MOST_PLACES = 200
_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Span:
    """What a report covers: `since` and `until` (exclusive) as the user gave them, windows, the zone of their clocks.

    Without `since` it is as long as there may be windows; nothing after `now` counts.
    """

    now: datetime
    every: Every = "1h"
    zone: str = "UTC"
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class Aggregated:
    """The sheet, the rows it is of, what became of them, and the times of the first and last text in it.

    `stories` and `texts` are of all windows, so what their copies are worth can be seen; `odd` counts scores that are
    no number, `merged` the places that were put together.
    """

    sheet: pl.DataFrame
    rows: pl.LazyFrame
    counts: RowCounts
    first: datetime
    last: datetime
    texts: int
    stories: int
    odd: int
    merged: int


def aggregate(
    rows: pl.LazyFrame, categories: Sequence[str], span: Span, progress: Progress | None = None
) -> Aggregated:
    """Return the aggregated signals of rows (`signals.rows`). Raises `DataError` where no row can be used.

    Raises `UsageError` for a wrong or empty span.
    """
    until, since = _bounds(rows, span)
    future = pl.col("at") > span.now
    usable = (pl.col("at") >= since) & (pl.col("at") < until) & ~future
    counts = counted(rows, usable, future)
    if not counts.used:
        raise DataError(f"No text can be used: {_left_out(counts)}.")
    used = rows.filter(usable & pl.col("signals").is_not_null())
    start, day = (windows.window_of(pl.col("at"), width, span.zone) for width in (span.every, "1d"))
    used = used.with_columns(start=start, day=day)
    places, merged = _places(used)
    if merged:
        used = used.with_columns(place=pl.when(pl.col("place").is_in(places)).then("place").otherwise(pl.lit(OTHER)))
        places = sorted({*places, OTHER})
    parts = []
    with (progress or Silent()).track("aggregating", counts.used, "texts") as advance:
        for part in _parts(used):
            parts.append(sums_of(with_weights(part), categories))
            advance(part.height)
    sums = together(parts)
    first, last = (
        used.select(pl.col("at").min().alias("a"), pl.col("at").max().alias("b")).collect(engine="streaming").row(0)
    )
    starts = windows.grid(since if span.since else first, last, span.every, span.zone)
    over = [windows.ended(start, span.every) <= span.now for start in starts]
    sheet = sheet_of(
        sums, pl.DataFrame({"start": starts, "over": over}), categories=categories, places=places, every=span.every
    )
    texts, stories = sums.windows.select(pl.col("window_texts", "window_stories").sum()).row(0)
    return Aggregated(sheet, used, counts, first, last, texts, stories, odd=sums.odd, merged=merged)


def _bounds(rows: pl.LazyFrame, span: Span) -> tuple[datetime, datetime]:
    """Return the end (exclusive) and the beginning of what counts; `7d` is so long before the newest text."""
    at = pl.col("at")
    newest = (
        rows.filter(at <= span.now, pl.col("signals").is_not_null()).select(at.max()).collect(engine="streaming").item()
        or span.now
    )
    until = moment(span.until, newest) if span.until else span.now + timedelta(microseconds=1)
    back = windows.earliest(min(newest, until), span.every)
    since = max(moment(span.since, newest), back) if span.since else back
    return until, since


def _places(rows: pl.LazyFrame) -> tuple[list[str], int]:
    """Return the places by name, at most 200, those with most texts, and how many others there are."""
    found = (
        rows.group_by("place")
        .agg(n=pl.len())
        .collect(engine="streaming")
        .sort(["n", "place"], descending=[True, False])
    )
    return sorted(found["place"].head(MOST_PLACES)), max(found.height - MOST_PLACES, 0)


def _parts(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows by whole days, some days together, in the order of time."""
    sizes = rows.group_by("day").agg(n=pl.len()).collect(engine="streaming").sort("day")
    part = (pl.col("n").cum_sum() - 1) // _ROWS_AT_ONCE
    for days in sizes.with_columns(part=part).partition_by("part", maintain_order=True):
        chosen = rows.filter(pl.col("day").is_between(days["day"][0], days["day"][-1]))
        yield chosen.drop("at").collect(engine="streaming")


def _left_out(counts: RowCounts) -> str:
    reasons = {
        "without a time that can be read": counts.no_time,
        "without an answer": counts.no_answer,
        "dated later than now": counts.in_future,
        "outside the time of the report": counts.outside,
    }
    found = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    return f"of {counts.rows:,} rows {found}" if found else "there are none"
