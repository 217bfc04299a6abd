"""The gauges of `copydesk monitor watch`, and a stand-in that tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge, start_http_server

_VERSION = ("model", "version", "source")
_NAMES: dict[str, tuple[str, ...]] = {
    "window_texts": ("model",),
    "drift": ("model", "detector"),
    "drift_effect": ("model", "detector", "measure"),
    "drift_p_value": ("model", "detector"),
    "expected_accuracy": ("model",),
    "reference_accuracy": ("model",),
    "confidence": ("model",),
    "accuracy": _VERSION,
    "accuracy_low": _VERSION,
    "accuracy_high": _VERSION,
    "feedback_texts": _VERSION,
    "label_share": ("model", "label"),
    "label_share_reference": ("model", "label"),
    "model_age_seconds": ("model", "version"),
    "last_run_timestamp_seconds": ("model",),
    "alarms": ("model",),
}
GAUGES = {f"copydesk_monitor_{name}": labels for name, labels in _NAMES.items()}


@contextmanager
def telling(port: int, model: str, version: str) -> Iterator[None]:
    """Tell all gauges, each with one value, at a port of this machine."""
    registry = CollectorRegistry()
    values = {
        "model": model,
        "version": version,
        "source": "live",
        "detector": "labels",
        "measure": "PSI",
        "label": "money",
    }
    for name, labels in GAUGES.items():
        gauge = Gauge(name, name, labels, registry=registry)
        gauge.labels(*(values[label] for label in labels)).set(0.5)
    server, thread = start_http_server(port, "127.0.0.1", registry)
    yield
    server.shutdown()
    server.server_close()
    thread.join()
