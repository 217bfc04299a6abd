"""Windows of time: hours or days as the clocks of a time zone show them.

A start is an instant, so the hour that comes twice in autumn is two windows, and that which spring leaves out is none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import polars as pl

from copydesk.errors import UsageError

Every = Literal["1h", "1d"]
MOST_WINDOWS = 720
"""So far back from the newest text a report reaches: 30 days of hours. One wrong year must not make it endless."""
_STEPS = {"1h": "30m", "1d": "12h"}
"""Half windows: none is stepped over, whatever the clocks do."""
_ROUGHLY = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}


def known_every(every: str) -> Every:
    """Return the width of the windows. Raises `UsageError`."""
    for width in get_args(Every):
        if every == width:
            return width  # type: ignore[no-any-return]
    raise UsageError(f"--every {every!r} is not one of: {', '.join(get_args(Every))}.")


def known_zone(name: str) -> str:
    """Return the name of a time zone. Raises `UsageError`."""
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):
        raise UsageError(
            f"--zone {name!r} is no time zone. Expected a name such as Europe/Stockholm, or UTC."
        ) from None


def window_of(at: pl.Expr, every: Every, zone: str) -> pl.Expr:
    """Return the start of the window that each time lies in, in the zone."""
    return at.dt.convert_time_zone(zone).dt.truncate(every)


def grid(first: datetime, last: datetime, every: Every, zone: str) -> pl.Series:
    """Return the starts of all windows from that of the first time to that of the last."""
    steps = pl.datetime_range(first, last, _STEPS[every], time_zone="UTC", eager=True).alias("start")
    both = pl.Series("start", [first, last], steps.dtype)
    return (
        pl.concat([steps, both]).to_frame().select(window_of(pl.col("start"), every, zone)).to_series().unique().sort()
    )


def earliest(newest: datetime, every: Every) -> datetime:
    """Return how far back a report of texts up to `newest` reaches."""
    return newest - (MOST_WINDOWS - 1) * _ROUGHLY[every]


def ended(start: datetime, every: Every) -> datetime:
    """Return when a window ends; a day by the clocks of its zone."""
    if every == "1h":
        return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
    return start + timedelta(days=1)
