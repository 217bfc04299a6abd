from __future__ import annotations

from datetime import UTC, datetime, timedelta

from copydesk.collect.windows import QUARTER, Window, windows_between


def _at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


def test_windows_cover_the_time_without_gap_or_overlap() -> None:
    windows = windows_between(_at(1), _at(3, 7, 10), 24)
    assert windows[0].start == _at(1) and windows[-1].end == _at(3, 7, 10)
    assert all(one.end == next_.start for one, next_ in zip(windows, windows[1:], strict=False))
    assert [window.hours for window in windows[:2]] == [24, 24]


def test_gdelt_is_asked_up_to_the_last_second_before_the_end() -> None:
    assert Window(_at(1), _at(2)).parameters == {"startdatetime": "20260101000000", "enddatetime": "20260101235959"}


def test_halving_ends_at_a_quarter_of_an_hour_and_loses_no_time() -> None:
    pending, finest = [Window(_at(1, 0, 5), _at(1, 13, 50))], []
    while pending:
        window = pending.pop(0)
        halves = window.halves()
        if halves is None:
            finest.append(window)
        else:
            assert (halves[0].start, halves[0].end, halves[1].end) == (window.start, halves[1].start, window.end)
            pending.extend(halves)
    assert max(window.end - window.start for window in finest) == QUARTER
    assert sum((window.end - window.start for window in finest), timedelta()) == timedelta(hours=13, minutes=45)
