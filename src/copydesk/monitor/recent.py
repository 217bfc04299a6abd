"""The newest windows of a log: so many texts, or so long a time, one after the other and each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from copydesk.errors import UsageError
from copydesk.monitor.drift import LEAST_TEXTS
from copydesk.monitor.summary import SAMPLE, SAMPLED, sampled
from copydesk.monitor.times import stretch

Size = int | timedelta
Read = Callable[[datetime, datetime], pl.LazyFrame]
"""Returns the rows from the first time on and before the second."""
_FURTHEST = timedelta(days=30)
_NEAREST = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Recent:
    """A window's measured rows (a sample where there are many), how many texts it had, and when it began and ended."""

    rows: pl.DataFrame
    texts: int
    since: datetime
    until: datetime


def size_of(given: str) -> Size:
    """Return what `--window` says: a number of texts, or a time such as 1h. Raises `UsageError`."""
    if not given.isdecimal():
        return stretch(given)
    if int(given) < LEAST_TEXTS:
        raise UsageError(f"--window is {given} texts; of fewer than {LEAST_TEXTS} nothing is judged.")
    return int(given)


def windows_after(read: Read, size: Size, *, judged_until: datetime | None, now: datetime, most: int) -> list[Recent]:
    """Return the whole windows since the last one that was judged, at most so many, the oldest first.

    A window of texts is of measured ones. One of time with too few measured texts is longer, until it has enough.
    """
    if isinstance(size, int):
        return _of_texts(read, size, judged_until=judged_until, now=now, most=most)
    return _of_time(read, size, judged_until=judged_until, now=now, most=most)


def _of_texts(read: Read, size: int, *, judged_until: datetime | None, now: datetime, most: int) -> list[Recent]:
    back, earliest = _NEAREST, now - _FURTHEST if judged_until is None else judged_until + _TICK
    while True:
        since = max(now - back, earliest)
        rows = _measured(read(since, now)).sort("at", "id").tail(most * size).collect(engine="streaming")
        if rows.height >= most * size or since == earliest:
            break
        back *= 4
    whole = [rows.slice(place, size) for place in range(0, rows.height - size + 1, size)]
    return [_recent(part, read) for part in whole]


def _recent(rows: pl.DataFrame, read: Read) -> Recent:
    since, until = rows["at"][0], rows["at"][-1]
    texts = read(since, until + _TICK).select(pl.len()).collect(engine="streaming").item()
    return Recent(rows, texts, since, until)


def _of_time(read: Read, size: timedelta, *, judged_until: datetime | None, now: datetime, most: int) -> list[Recent]:
    since = max(judged_until or now - most * size, now - 10 * most * size)
    found = []
    end = since + size
    while end <= now:
        window = _between(read, since, end)
        if window.rows.height >= LEAST_TEXTS:
            found.append(window)
            since = end
        end += size
    return found[-most:]


def _between(read: Read, since: datetime, until: datetime) -> Recent:
    rows = read(since, until).with_columns(period=pl.lit(0))
    totals = rows.select("period", "words").group_by("period").agg(n=pl.col("words").count(), texts=pl.len())
    counted = totals.collect(engine="streaming")
    if not counted.height:
        return Recent(pl.DataFrame(), 0, since, until)
    return Recent(sampled(rows, counted.select("period", "n"), SAMPLE), counted["texts"][0], since, until)


def _measured(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("words").is_not_null()).select([name for name in SAMPLED if name != "period"])
