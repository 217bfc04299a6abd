"""What a watch sees, as gauges for Prometheus. A scrape sees one look at the log whole, never half of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from copydesk.errors import UsageError
from copydesk.monitor.alarms import DRIFT
from copydesk.monitor.memory import Alarm, Judgement
from copydesk.monitor.quality import Judged

Values = Mapping[str, Mapping[tuple[str, ...], float]]
"""By gauge and label values."""
PREFIX = "copydesk_monitor_"
DECLARED: dict[str, tuple[str, tuple[str, ...]]] = {
    "window_texts": ("Texts in the last window that was judged.", ("model",)),
    "drift": ("1 while a detector alarms, 0 while it does not.", ("model", "detector")),
    "drift_effect": ("How large the change is, in the detector's measure.", ("model", "detector", "measure")),
    "drift_p_value": ("How probable so clear a change is without drift.", ("model", "detector")),
    "expected_accuracy": ("The share of right answers that the model's confidence promises.", ("model",)),
    "reference_accuracy": ("The share of right answers on held-out texts.", ("model",)),
    "confidence": ("The mean confidence in the last window.", ("model",)),
    "accuracy": ("The share of right answers, from texts that were drawn.", ("model", "version", "source")),
    "accuracy_low": (
        "Its 95 % interval's lower end; without drawn texts, what is sure.",
        ("model", "version", "source"),
    ),
    "accuracy_high": ("Its upper end; without drawn texts, what is possible.", ("model", "version", "source")),
    "feedback_texts": ("Answers of which somebody said whether they are right.", ("model", "version", "source")),
    "label_share": ("A label's share of the labels given in the last window.", ("model", "label")),
    "label_share_reference": ("A label's share among held-out texts.", ("model", "label")),
    "model_age_seconds": ("Since the model was trained.", ("model", "version")),
    "last_run_timestamp_seconds": ("When the log was last looked at with success.", ("model",)),
    "alarms": ("How many alarms there are.", ("model",)),
}
"""Every gauge without its prefix: what it tells, and its labels."""


@dataclass(frozen=True)
class Seen:
    """What one look at a log found: the last window that was judged, what feedback says, the alarms there are."""

    model: str
    version: str
    at: datetime
    trained: datetime | None = None
    reference_accuracy: float | None = None
    window: Judgement | None = None
    judged: list[Judged] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Gauges(Collector):
    """Shows what was seen last."""

    def __init__(self) -> None:
        self.seen: Seen | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge that has a value."""
        values = values_of(self.seen) if self.seen else {}
        for name, (text, labels) in DECLARED.items():
            family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
            for given, value in values.get(name, {}).items():
                family.add_metric(given, value)
            yield family


def values_of(seen: Seen) -> Values:
    """Return the gauges' values by name and label values; what is not known is left out."""
    model, window = (seen.model,), seen.window
    single: dict[str, float | None] = {
        "window_texts": window.texts if window else None,
        "expected_accuracy": window.expected if window else None,
        "reference_accuracy": seen.reference_accuracy,
        "confidence": window.confidence if window else None,
        "last_run_timestamp_seconds": seen.at.timestamp(),
        "alarms": len(seen.alarms),
    }
    age: dict[tuple[str, ...], float] = {}
    if seen.trained is not None:
        age[*model, seen.version] = (seen.at - seen.trained).total_seconds()
    return {
        **{name: {model: float(value)} for name, value in single.items() if value is not None},
        "model_age_seconds": age,
        **(_of_window(model, window, {alarm.rule for alarm in seen.alarms}) if window else {}),
        **_accuracies(model, seen.judged),
    }


def _of_window(model: tuple[str], window: Judgement, alarming: Set[str]) -> Values:
    known = [one for one in window.labels if one.reference is not None]
    return {
        "drift": {(*model, one.detector): float(f"{DRIFT}{one.detector}" in alarming) for one in window.states},
        "drift_effect": {(*model, one.detector, one.measure): one.effect for one in window.states},
        "drift_p_value": {(*model, one.detector): one.p_value for one in window.states},
        "label_share": {(*model, one.label): one.share for one in window.labels},
        "label_share_reference": {(*model, one.label): one.reference or 0.0 for one in known},
    }


def _accuracies(model: tuple[str], judged: Sequence[Judged]) -> Values:
    found: dict[str, dict[tuple[str, ...], float]] = {
        name: {} for name in ("accuracy", "accuracy_low", "accuracy_high", "feedback_texts")
    }
    for one in judged:
        labels, estimate = (*model, one.version, one.source), one.estimate
        low, high = (estimate.low, estimate.high) if estimate else one.bounds
        found["accuracy_low"][labels], found["accuracy_high"][labels] = low, high
        found["feedback_texts"][labels] = one.confirmed + one.contradicted
        if estimate:
            found["accuracy"][labels] = estimate.share
    return found


def serve_gauges(gauges: Gauges, host: str, port: int) -> WSGIServer:
    """Answer `GET /metrics` until the process ends; port 0 takes any. Raises `UsageError` for one that is taken."""
    registry = CollectorRegistry()
    registry.register(gauges)
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another --port.") from None
    return server
