"""What the header Retry-After asks for: seconds, or a date (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_of(retry_after: str, *, date: str = "", now: datetime | None = None) -> float:
    """Return the seconds to wait, 0 where nothing readable was said.

    A date counts from the answer's own `date`, which spares us two clocks that differ; where it has none, from `now`,
    and where that is not given either, it is not waited for.
    """
    wanted = retry_after.strip()
    if wanted.isascii() and wanted.isdecimal():
        return float(wanted)
    until, since = _time_of(wanted), _time_of(date) or now
    return max((until - since).total_seconds(), 0.0) if until and since else 0.0


def _time_of(date: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
