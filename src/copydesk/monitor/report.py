"""A model's prediction log to what people should know of it: is something wrong, what changed, what to do next.

The report is data; `page.py` shows exactly that. It does not know why the world changed, and where texts were not kept
it has no examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from copydesk.monitor.alarms import (
    Finding,
    accuracy_finding,
    age_finding,
    drift_findings,
    expectation_finding,
    gravest_first,
    silence_finding,
)
from copydesk.monitor.detectors import State
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.examples import Examples, examples_of
from copydesk.monitor.expected import Expected, doubt_of, expected_accuracy
from copydesk.monitor.log import Log
from copydesk.monitor.quality import Quality, quality
from copydesk.monitor.shares import LabelShare, label_shares_of
from copydesk.monitor.staleness import Staleness, staleness
from copydesk.monitor.subject import NO_REFERENCE, Subject
from copydesk.monitor.summary import Period, Summary, summarise
from copydesk.monitor.times import STEP, Every

Status = Literal["alarm", "changed", "fine", "unknown"]


@dataclass(frozen=True)
class Span:
    """From when until when a log is looked at, in periods of what length."""

    since: datetime
    until: datetime
    every: Every = "1d"


@dataclass(frozen=True)
class Verdict:
    """`alarm`: something is wrong now; `changed`: it was in the meantime; `unknown`: too little to say so."""

    status: Status
    sentence: str
    next: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MonitorReport:
    """What one version of a model answered in a span of time.

    `drift` is what detectors found in the newest period that has enough texts, which begins at `judged`. `quiet` are
    the periods between the first and the last text in which nothing was answered.
    """

    subject: Subject
    created: datetime
    span: Span
    verdict: Verdict
    alarms: list[Finding]
    periods: list[Period]
    labels: list[LabelShare]
    judged: datetime | None = None
    drift: list[State] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    quality: Quality | None = None
    staleness: Staleness | None = None
    examples: Examples = field(default_factory=Examples)
    last_text: datetime | None = None
    quiet: list[datetime] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def report_of(subject: Subject, log: Log, span: Span, *, now: datetime) -> MonitorReport:
    """Return the report on the rows of a log. Raises `UsageError` where there is no log."""
    rows = log.read(span.since, span.until).filter(pl.col("model") == subject.name)
    own = rows.filter(pl.col("version").is_in(sorted(subject.versions)) & NOT_SHADOW)
    reference, corrections = subject.reference, log.corrections()
    summary = summarise(rows, reference, every=span.every, versions=subject.versions)
    found = quality(rows, corrections, every=span.every) if corrections.height else None
    newest, said = summary.judged, found.said if found else None
    expected = expected_accuracy(own, reference) if reference and _texts(summary) else []
    alarms = _alarms(subject, summary, found, span=span, now=now)
    return MonitorReport(
        subject=subject,
        created=now,
        span=span,
        verdict=verdict_of(alarms, summary.periods, has_reference=reference is not None),
        alarms=alarms,
        periods=summary.periods,
        labels=label_shares(subject, summary.periods),
        judged=newest.start if newest else None,
        drift=newest.states if newest else [],
        expected=expected,
        quality=found,
        staleness=_staleness(subject, said, now),
        examples=examples_of(summary.sample, said),
        last_text=summary.last,
        quiet=quiet_periods([period.start for period in summary.periods], span.every),
        notes=_notes(subject, summary, newest.states if newest else []),
    )


def verdict_of(alarms: Sequence[Finding], periods: Sequence[Period], *, has_reference: bool) -> Verdict:
    """Return in one sentence whether something is wrong, and what to do next."""
    if alarms:
        first, *others = alarms
        more = f"; {len(others)} more alarm{'s' if len(others) > 1 else ''} below" if others else ""
        steps = list(dict.fromkeys(alarm.remedy for alarm in alarms))
        return Verdict("alarm", f"Something is wrong: {first.what}{more}.", steps)
    judged = [period for period in periods if period.states]
    if not has_reference or not judged:
        few = "the bundle has no reference" if not has_reference else "too few texts were measured"
        return Verdict("unknown", f"Whether texts have changed cannot be said: {few}. Nothing else alarms.")
    moved = [period for period in judged if period.drifted]
    if moved:
        names = ", ".join(sorted({state.detector for period in moved for state in period.drifted}))
        days = ", ".join(f"{period.start:%d %B %H:%M}".removesuffix(" 00:00") for period in moved[:3])
        return Verdict(
            "changed",
            f"Nothing is wrong now, but {len(moved)} of {len(judged)} periods were different ({names}): {days}"
            f"{' and later' if len(moved) > 3 else ''}.",
            ["Look what happened then; if it comes back, label texts of it (copydesk monitor queue)."],
        )
    return Verdict("fine", "Nothing is wrong: texts and answers are like those the model was made for.")


def label_shares(subject: Subject, periods: Sequence[Period]) -> list[LabelShare]:
    """Return `label_shares_of` all periods together."""
    counts: Counter[str] = Counter()
    for period in periods:
        counts.update(period.labels)
    return label_shares_of(counts, subject.reference)


def quiet_periods(starts: Sequence[datetime], every: Every) -> list[datetime]:
    """Return when, between the first period and the last, nothing was answered."""
    there, step = set(starts), STEP[every]
    places = range(round((max(there) - min(there)) / step)) if there else ()
    return [at for at in (min(there) + step * place for place in places) if at not in there]


def _alarms(subject: Subject, summary: Summary, found: Quality | None, *, span: Span, now: datetime) -> list[Finding]:
    rules, reference = subject.rules, subject.reference
    newest = summary.judged
    is_present = now - span.until < timedelta(hours=1)
    findings = [
        *(drift_findings(newest.states, rules) if newest else []),
        *expectation_finding(newest.expected if newest else None, reference, rules),
        *accuracy_finding(found.versions if found else [], subject.versions, reference, rules),
        *age_finding(subject.trained, now, rules),
        *(silence_finding(summary.last, now, rules) if is_present else []),
    ]
    return gravest_first([finding for finding in findings if finding.speaks])


def _staleness(subject: Subject, said: pl.DataFrame | None, now: datetime) -> Staleness | None:
    if subject.trained is None or said is None:
        return None
    own = said.filter(pl.col("version").is_in(sorted(subject.versions)), NOT_SHADOW)
    return staleness(own, trained=subject.trained, newest_text=subject.newest_text, now=now)


def _notes(subject: Subject, summary: Summary, states: Sequence[State]) -> list[str]:
    others = sum(period.n - period.own for period in summary.periods)
    names = sorted({name for period in summary.periods for name in period.versions} - subject.versions)
    notes = [note for note in (doubt_of(states), "" if subject.reference else NO_REFERENCE) if note]
    if others:
        notes.append(
            f"{others:,} of the texts were answered by other versions ({', '.join(names)}): they are counted, and not "
            "compared with the reference of this one."
        )
    return notes


def _texts(summary: Summary) -> int:
    return sum(period.own for period in summary.periods)
