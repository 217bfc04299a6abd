"""Texts over time: when they appeared, and whether labels became commoner or rarer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.clean import require_columns
from copydesk.data.split import moment_of
from copydesk.describe.facts import Drift, TimeFacts
from copydesk.describe.table import Labels, Table
from copydesk.errors import DataError
from copydesk.recipe import Recipe

KNOWN_COLUMNS = (
    *("seen_at", "first_seen", "published", "published_at", "created", "created_at", "date", "datetime", "time"),
    *("timestamp", "seendate", "update_date", "updated_at", "day"),
)
"""Names under which a time is looked for where the recipe names no `prepare.split.time`."""
_READABLE = 0.9
_MOST_PERIODS = 40
_LABELS = 12
_PERIODS = ("day", "week", "month", "quarter", "year")
_SIGNS_OF_DRIFT = 3.3
"""Standard errors: by chance alone one label in a thousand moves so far."""
Moments = NDArray[np.datetime64]


def growth_of(table: Table, labels: Labels | None, recipe: Recipe) -> TimeFacts | None:
    """Count texts by period, and those labels that moved most; None if there is no column of times.

    Raises `DataError` if the column that the recipe names is missing.
    """
    wanted = recipe.prepare.split.time
    if table.parts is not None:
        return None
    if wanted is not None:
        require_columns(table.frame, [wanted])
    names = [wanted] if wanted else [name for name in table.frame.columns if name.lower() in KNOWN_COLUMNS]
    for name in names:
        moments = _moments(table, name)
        readable = ~np.isnat(moments)
        if wanted or (readable.mean() >= _READABLE and len(np.unique(moments[readable])) > 1):
            return _facts(name, moments, labels) if readable.any() else None
    return None


def _moments(table: Table, column: str) -> Moments:
    """Return each text's time in whole seconds (UTC), NaT where there is none or none that can be read."""
    values = table.frame[column].gather(table.rows)
    if values.dtype.is_temporal() and values.dtype != pl.Time:
        naive = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if _zoned(values) else values
        return naive.cast(pl.Datetime("us")).to_numpy().astype("datetime64[s]")
    return np.array([_read(value, column) for value in values.to_list()], "datetime64[s]")


def _zoned(values: pl.Series) -> bool:
    return isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None


def _read(value: object, column: str) -> np.datetime64:
    try:
        return np.datetime64(moment_of(value, "", column).replace(tzinfo=None), "s")
    except DataError:
        return np.datetime64("NaT")


def _facts(column: str, moments: Moments, labels: Labels | None) -> TimeFacts:
    readable = np.flatnonzero(~np.isnat(moments))
    known = moments[readable]
    first, last = known.min().item(), known.max().item()
    period = next((name for name in _PERIODS if len(_starts(name, first, last)) <= _MOST_PERIODS), _PERIODS[-1])
    starts = _starts(period, first, last)
    borders = np.array([np.datetime64(start.isoformat(), "s") for start in starts])
    place = np.full(len(moments), -1, np.int64)
    place[readable] = np.searchsorted(borders, known, side="right") - 1
    drift = _drift(labels, moments, readable) if labels else []
    by_label = {}
    for one in drift:
        own = place[labels.text[labels.name == labels.names.index(one.label)]] if labels else place[:0]
        by_label[one.label] = np.bincount(own[own >= 0], minlength=len(starts)).tolist()
    return TimeFacts(
        column=column,
        unreadable=len(moments) - len(readable),
        first=first.isoformat(),
        last=last.isoformat(),
        period=period,
        starts=[start.isoformat() for start in starts],
        counts=np.bincount(place[readable], minlength=len(starts)).tolist(),
        by_label=by_label,
        drift=drift,
    )


def _starts(period: str, first: datetime, last: datetime) -> list[date]:
    """Return the first days of the periods from the first moment's to the last's, at most one more than fit."""
    start = _begin(period, first.date())
    starts = [start]
    while (start := _next(period, start)) <= last.date() and len(starts) <= 100 * _MOST_PERIODS:
        starts.append(start)
    return starts


def _begin(period: str, day: date) -> date:
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": 3 * ((day.month - 1) // 3) + 1, "year": 1}[period]
    return date(day.year, month, 1)


def _next(period: str, start: date) -> date:
    days = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[period]
    return _begin(period, start + timedelta(days=days))


def _drift(labels: Labels, moments: Moments, readable: NDArray[np.int64]) -> list[Drift]:
    """Compare each label's share in the oldest and the newest fifth, the greatest change first."""
    order = readable[np.argsort(moments[readable], kind="stable")]
    order = order[labels.whole[order] >= 0]
    fifth = len(order) // 5
    if not fifth:
        return []
    ends = [order[:fifth], order[-fifth:]]
    shares = [np.bincount(labels.of(end).name, minlength=len(labels.names)) / fifth for end in ends]
    found = []
    for name, old, new in zip(labels.names, *shares, strict=True):
        middle = (old + new) / 2
        error = sqrt(max(middle * (1 - middle), 1 / fifth) * 2 / fifth)
        found.append(Drift(name, float(old), float(new), sure=bool(abs(new - old) > _SIGNS_OF_DRIFT * error)))
    return sorted(found, key=lambda drift: (-abs(drift.newest - drift.oldest), drift.label))[:_LABELS]
