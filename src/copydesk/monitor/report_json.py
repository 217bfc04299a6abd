"""A monitoring report as plain JSON values with stable keys: what `--json` prints and the page is made from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from copydesk.monitor.alarms import Finding, meaning_of
from copydesk.monitor.detectors import State
from copydesk.monitor.expected import Expected
from copydesk.monitor.quality import Judged, Quality
from copydesk.monitor.report import MonitorReport
from copydesk.monitor.summary import Period

_MOVES = 10


def to_json(report: MonitorReport) -> dict[str, Any]:
    """Return the report's values; what is not known is None, times are ISO 8601 in UTC."""
    subject, span, periods = report.subject, report.span, report.periods
    reference = subject.reference
    alarmed = Counter(state.detector for period in periods for state in period.drifted)
    by_start = {one.start: one for one in report.quality.periods} if report.quality else {}
    values = {
        "model": subject.name,
        "version": subject.version,
        "task": subject.task,
        "created": report.created,
        "since": span.since,
        "until": span.until,
        "every": span.every,
        "verdict": report.verdict,
        "alarms": [finding_json(one) for one in report.alarms],
        "texts": sum(period.n for period in periods),
        "own_texts": sum(period.own for period in periods),
        "measured_texts": sum(period.measured for period in periods),
        "last_text": report.last_text,
        "reference": reference and {"accuracy": reference.accuracy},
        "expected_accuracy": next((one for one in report.expected if _is_whole(one, subject.versions)), None),
        "expected_by_label": {one.label: one for one in report.expected if one.label},
        "periods": [_period(period, by_start.get(period.start)) for period in periods],
        "labels": report.labels,
        "drift": {"start": report.judged, "states": [_state(state, alarmed) for state in report.drift]},
        "feedback": report.quality and _feedback(report.quality),
        "age": _age(report),
        "examples": report.examples,
        "quiet": report.quiet,
        "notes": report.notes,
    }
    plain: dict[str, Any] = plain_values(values)
    return plain


def plain_values(value: Any) -> Any:  # noqa: ANN401 (any value to any JSON value)
    """Return values as JSON has them: no numbers that are none, times as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain_values(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain_values(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_values(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return an alarm's values."""
    return {**asdict(finding), "remedy": finding.remedy}


def _is_whole(one: Expected, versions: frozenset[str]) -> bool:
    return not one.label and one.version in versions


def _period(period: Period, judged: Judged | None) -> dict[str, Any]:
    return {
        "start": period.start,
        "texts": period.n,
        "own_texts": period.own,
        "measured_texts": period.measured,
        "confidence": period.confidence,
        "expected_accuracy": period.expected,
        "versions": period.versions,
        "labels": period.labels,
        "languages": period.languages,
        "stages": period.stages,
        "alarms": [state.detector for state in period.drifted],
        "drift": {state.detector: _effect(state) for state in period.states},
        "feedback": judged and _judged(judged),
    }


def _effect(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("measure", "effect", "least_effect", "p_value", "drifted")}


def _state(state: State, alarmed: Counter[str]) -> dict[str, Any]:
    return {
        **asdict(state),
        "moves": state.moves[:_MOVES],
        "meaning": meaning_of(state.detector),
        "alarmed_periods": alarmed[state.detector],
    }


def _feedback(quality: Quality) -> dict[str, Any]:
    return {
        "versions": [_judged(one) for one in quality.versions],
        "slices": [asdict(one) for one in sorted(quality.slices, key=lambda one: one.interval[1])],
        "precision": quality.precision,
        "sampling": quality.sampling,
        "shadows": quality.shadows,
        "unknown": quality.unknown,
        "notes": quality.notes,
    }


def _judged(judged: Judged) -> dict[str, Any]:
    per_thousand, (low, high) = judged.wrong_per_thousand
    return {
        "version": judged.version,
        "source": judged.source,
        "answers": judged.answers,
        "confirmed": judged.confirmed,
        "contradicted": judged.contradicted,
        "accuracy": judged.estimate,
        "chosen": judged.chosen,
        "bounds": judged.bounds,
        "wrong_per_thousand": {"value": per_thousand, "low": low, "high": high},
    }


def _age(report: MonitorReport) -> dict[str, Any]:
    trained = report.subject.trained
    days = (report.created - trained).total_seconds() / 86_400 if trained else None
    found: dict[str, Any] = {"trained": trained, "days": days, "newest_text": None, "weeks": {}, "slope": None}
    if report.staleness is not None:
        known = asdict(report.staleness)
        found |= {key: known[key] for key in ("newest_text", "weeks", "slope")}
    return found
