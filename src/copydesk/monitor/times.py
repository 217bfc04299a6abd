"""What people write for a time or a stretch of it: `7d`, `24h`, `2026-11-01`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from copydesk.errors import UsageError

Every = Literal["1h", "1d", "1w"]
STEP: dict[Every, timedelta] = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "1w": timedelta(weeks=1)}
"""How long the periods are by which a log is summed up."""

_STRETCH = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def stretch(given: str) -> timedelta:
    """Return how long `30m`, `24h`, `7d` or `2w` is. Raises `UsageError`."""
    found = _STRETCH.fullmatch(given)
    if not found or not int(found[1]):
        raise UsageError(f"{given[:80]!r} is no stretch of time. Expected: a number and s, m, h, d or w, e.g. 24h.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(given: str, now: datetime) -> datetime:
    """Return the time meant: so long before `now`, or a date; in UTC. Raises `UsageError`."""
    if _STRETCH.fullmatch(given):
        return now - stretch(given)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise UsageError(
            f"{given[:80]!r} is no time. Expected: 7d, 24h, or a date such as 2026-11-01 or 2026-11-01T12:00."
        ) from None
    return in_utc(found)


def in_utc(at: datetime) -> datetime:
    """Return a time in UTC; one without a zone is taken to be so already."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
