"""Stretches of time that do not overlap, and their halves.

GDELT dates articles by the quarter of an hour in which it saw them; a window is never cut finer than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

QUARTER = timedelta(minutes=15)
_EPOCH = datetime.fromtimestamp(0, UTC)
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True)
class Window:
    """From `start` up to, but without, `end`; both UTC."""

    start: datetime
    end: datetime

    @property
    def parameters(self) -> dict[str, str]:
        """GDELT's parameters; both of its ends belong to the window."""
        last = self.end - timedelta(seconds=1)
        return {"startdatetime": self.start.strftime(_STAMP), "enddatetime": last.strftime(_STAMP)}

    @property
    def key(self) -> str:
        """What it is called in a journal."""
        return f"{self.start:%Y-%m-%dT%H:%M:%S}/{self.end:%Y-%m-%dT%H:%M:%S}"

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.end - self.start) / timedelta(hours=1)

    def halves(self) -> tuple[Window, Window] | None:
        """Return both halves, parted at a quarter of an hour; None if there is no such moment within."""
        middle = self.start + (self.end - self.start) / 2
        middle -= (middle - _EPOCH) % QUARTER
        if middle <= self.start:
            middle += QUARTER
        return (Window(self.start, middle), Window(middle, self.end)) if middle < self.end else None

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


def windows_between(since: datetime, until: datetime, hours: float) -> list[Window]:
    """Divide the time from `since` to `until` into windows of so many hours; the last may be shorter."""
    length = timedelta(hours=hours)
    count = -(-(until - since) // length)
    return [Window(since + n * length, min(since + (n + 1) * length, until)) for n in range(count)]
