"""Looking at a log again and again: windows judged once each, alarms begun and ended, and told to a webhook.

A look reads the log, the clock's time is passed in, and what it sees is a value. Whatever stands in the way of one look
(no log yet, a database that is away) is told, and the next one tries again. It does not know who scrapes the gauges.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from copydesk.errors import UsageError
from copydesk.monitor.alarms import (
    Finding,
    accuracy_finding,
    age_finding,
    drift_findings,
    expectation_finding,
    silence_finding,
)
from copydesk.monitor.drift import LEAST_TEXTS, Drift
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.expected import expected_accuracy
from copydesk.monitor.gauges import Seen
from copydesk.monitor.log import Log
from copydesk.monitor.memory import (
    Event,
    Judgement,
    Memory,
    in_order,
    load_memory,
    of_version,
    save_memory,
    settled,
    voted,
)
from copydesk.monitor.quality import Judged, quality
from copydesk.monitor.recent import Recent, Size, windows_after
from copydesk.monitor.shares import label_shares_of
from copydesk.monitor.subject import NO_REFERENCE, Subject
from copydesk.monitor.summary import window_of
from copydesk.monitor.webhook import NotTold

LOG = logging.getLogger("copydesk.monitor")
NO_LOG = "there is no log yet"
TOO_ALIKE = f"the last window held fewer than {LEAST_TEXTS} different texts: its drift is not judged (--window)"
_NEAR, _FAR = timedelta(hours=1), timedelta(days=30)


@dataclass(frozen=True)
class Settings:
    """How a log is watched: windows of what size, feedback how far back, and where the memory is."""

    size: Size
    feedback: timedelta
    memory: Path


def unjudged(size: Size) -> str:
    """Return what must be said as long as no window is whole: that nothing alarms says little then."""
    needed = f"{size:,} texts" if isinstance(size, int) else f"{LEAST_TEXTS} texts in a time of {size}"
    return f"drift is not judged yet: it takes {needed} that were answered by this version and measured (--window)"


class Watch:
    """One model and its log.

    `find` returns the model that the reference leads to now; `tell` posts an event, or raises `NotTold`.
    """

    def __init__(
        self, find: Callable[[], Subject], log: Log, settings: Settings, tell: Callable[[Event], None] | None
    ) -> None:
        self._find, self._log, self._settings, self._tell = find, log, settings, tell
        self._memory = load_memory(settings.memory)
        self._drift: tuple[str, Drift] | None = None
        self._judged: tuple[pl.DataFrame | None, datetime | None, list[Judged]] = (None, None, [])

    def look(self, now: datetime) -> Seen:
        """Look once. Raises whatever stands in the way of reading log or model."""
        subject = self._find()
        memory = of_version(self._memory, subject.name, subject.version, now)
        notes = [] if subject.reference else [NO_REFERENCE]
        last, judged = None, []
        try:
            self._rows(subject, now - _NEAR, now)
        except UsageError:
            notes.append(NO_LOG)
        else:
            for recent in self._windows(subject, memory, now):
                window = self._judge(subject, recent)
                memory = voted(memory, window, window_findings(window, subject), subject.rules)
            if subject.reference and memory.window is None:
                notes.append(unjudged(self._settings.size))
            elif memory.window is not None and not memory.window.states:
                notes.append(TOO_ALIKE)
            last, judged = self._last_text(subject, now), self._feedback(subject, now)
        findings = [
            *(window_findings(memory.window, subject) if memory.window else []),
            *accuracy_finding(judged, subject.versions, subject.reference, subject.rules),
            *age_finding(subject.trained, now, subject.rules),
            *silence_finding(last or memory.began, now, subject.rules),
        ]
        after = settled(memory, findings, subject.rules, subject.name, now)
        before = self._memory.unsent if self._memory else []
        _log([event for event in after.unsent if event not in before])
        self._keep(after)
        self._tell_all()
        accuracy = subject.reference.accuracy if subject.reference else None
        return Seen(
            subject.name,
            subject.version,
            now,
            subject.trained,
            accuracy,
            after.window,
            judged,
            in_order(after),
            notes,
        )

    def _rows(self, subject: Subject, since: datetime, until: datetime) -> pl.LazyFrame:
        return self._log.read(since, until).filter(pl.col("model") == subject.name, NOT_SHADOW)

    def _windows(self, subject: Subject, memory: Memory, now: datetime) -> list[Recent]:
        if subject.reference is None:
            return []

        until = memory.window.until if memory.window else None

        def read(since: datetime, until: datetime) -> pl.LazyFrame:
            return self._rows(subject, since, until).filter(pl.col("version").is_in(sorted(subject.versions)))

        return windows_after(read, self._settings.size, judged_until=until, now=now, most=subject.rules.alarm_of)

    def _judge(self, subject: Subject, recent: Recent) -> Judgement:
        assert subject.reference is not None
        if self._drift is None or self._drift[0] != subject.version:
            self._drift = (subject.version, Drift.since(subject.reference))
        expected = expected_accuracy(recent.rows.lazy().with_columns(version=pl.lit("")), subject.reference)
        counts = recent.rows["labels"].explode().drop_nulls().value_counts()
        return Judgement(
            recent.texts,
            recent.since,
            recent.until,
            self._drift[1].update(window_of(recent.rows)),
            float(recent.rows["confidence"].cast(pl.Float64).to_numpy().mean()),
            expected[0].share if expected else None,
            label_shares_of(dict(counts.iter_rows()), subject.reference),
        )

    def _last_text(self, subject: Subject, now: datetime) -> datetime | None:
        for back in (_NEAR, _FAR):
            newest = self._rows(subject, now - back, now).select(pl.col("at").max()).collect(engine="streaming").item()
            if isinstance(newest, datetime):
                return newest
        return None

    def _feedback(self, subject: Subject, now: datetime) -> list[Judged]:
        """Return what feedback says; the log is read for it again when there is more, or an hour later."""
        corrections = self._log.corrections()
        before, at, judged = self._judged
        if before is not None and at is not None and now - at < _NEAR and before.equals(corrections):
            return judged
        if corrections.height:
            rows = self._log.read(now - self._settings.feedback, now).filter(pl.col("model") == subject.name)
            judged = quality(rows, corrections).versions
        self._judged = (corrections, now, judged)
        return judged

    def _keep(self, memory: Memory) -> None:
        """Write the memory where it changed."""
        if memory != self._memory:
            save_memory(self._settings.memory, memory)
            self._memory = memory

    def _tell_all(self) -> None:
        """Post every event; what could not be told is kept for the next look, in order."""
        while self._memory is not None and self._memory.unsent:
            first, *others = self._memory.unsent
            try:
                if self._tell is not None:
                    self._tell(first)
            except NotTold as error:
                LOG.warning("webhook fails", extra={"fields": {"error": str(error), "unsent": 1 + len(others)}})
                return
            self._keep(replace(self._memory, unsent=others))


def window_findings(window: Judgement, subject: Subject) -> list[Finding]:
    """Return what the rules about windows say of one."""
    return [
        *drift_findings(window.states, subject.rules),
        *expectation_finding(window.expected, subject.reference, subject.rules),
    ]


def watch_until(
    ended: Callable[[float], bool], look: Callable[[], Seen], shown: Callable[[Seen], None], every_s: float
) -> None:
    """Look every so many seconds until `ended`, which waits so long, says so."""
    while True:
        try:
            shown(look())
        except Exception as error:  # whatever it is: a database that is away comes back, and the next look tries again
            LOG.error("look failed", extra={"fields": {"error": f"{type(error).__name__}: {error}"}})
        if ended(every_s):
            return


def _log(events: Sequence[Event]) -> None:
    for event in events:
        fields = {"model": event.model, "version": event.version, "rule": event.alarm.rule, "what": event.alarm.what}
        LOG.warning(f"alarm {event.state}", extra={"fields": fields})
