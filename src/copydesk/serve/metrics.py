"""Every metric of the server, declared once: `DECLARED` is what the documentation's table is checked against.

Names follow Prometheus' conventions: base units, `_total` for counters. With several processes each writes to files in
`PROMETHEUS_MULTIPROC_DIR`, which must be set before this module is imported, and any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from copydesk.errors import RequestRefused
from copydesk.serve.batcher import Batch
from copydesk.serve.lane import Lane, Times
from copydesk.types import JobStatus, ModelVersion, Prediction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_MILLISECONDS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_500, 5_000)
_SECONDS = (*(edge / 1_000 for edge in _MILLISECONDS), 10, 30)
"""Each edge at most twice the one before, mostly one and a half: a p99 read from them is a tenth too high."""
_STAGE_SECONDS = (0.00005, 0.0001, 0.0002, *_SECONDS)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999, 1)
_VERSIONS = 5
"""Of so many versions the page tells, the latest served: a server that follows a registry sees many in a year."""


@dataclass(frozen=True)
class Declared:
    """A metric's kind, what it tells, and its labels.

    `first` are values of the labels that are there from the start: a counter that appears with its first event shows
    no increase, so that the first refusal or failed swap would be missed.
    """

    kind: type[Counter | Gauge | Histogram]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    first: tuple[tuple[str, ...], ...] = ()


_ANSWERS = tuple(("/v1/classify", "POST", status) for status in ("200", "422", "429", "500", "503", "504"))
_REASONS = tuple((refusal.__name__,) for refusal in RequestRefused.__subclasses__())
_OUTCOMES = (("done",), ("failed",))
_LOGGED = (("written",), ("dropped",), ("lost",))
_AGREES = ("yes", "no", "failed")
DECLARED: dict[str, Declared] = {
    "copydesk_http_requests_total": Declared(
        Counter, "Requests answered.", ("route", "method", "status"), first=_ANSWERS
    ),
    "copydesk_http_request_seconds": Declared(Histogram, "From a request's head to its answer.", ("route",), _SECONDS),
    "copydesk_stage_seconds": Declared(
        Histogram, "What a classified request spent in queue, tokenise and inference.", ("stage",), _STAGE_SECONDS
    ),
    "copydesk_queue_texts": Declared(Gauge, "Texts waiting for an engine.", ("lane",)),
    "copydesk_batch_texts": Declared(Histogram, "Texts answered together.", ("lane",), _TEXTS),
    "copydesk_batch_seconds": Declared(Histogram, "How long an engine took for a batch.", ("lane",), _STAGE_SECONDS),
    "copydesk_batch_tokens_total": Declared(Counter, "Tokens read by an encoder; padding is waste.", ("lane", "kind")),
    "copydesk_dropped_texts_total": Declared(Counter, "Texts that nobody waited for any more.", ("lane",)),
    "copydesk_predictions_total": Declared(Counter, "Predictions by label.", ("version", "label")),
    "copydesk_confidence": Declared(Histogram, "Scores of the labels given.", ("version",), _SHARES),
    "copydesk_refusals_total": Declared(Counter, "Requests refused, by reason.", ("reason",), first=_REASONS),
    "copydesk_model_info": Declared(Gauge, "1 for a version that answers, 0 for one that did.", ("name", "version")),
    "copydesk_swaps_total": Declared(Counter, "Changes of the served version.", ("outcome",), first=_OUTCOMES),
    "copydesk_shadow_texts_total": Declared(
        Counter, "Texts that a candidate answered in the shadow: yes, it agreed; no; failed.", ("version", "agrees")
    ),
    "copydesk_log_entries_total": Declared(
        Counter,
        "Answers for the prediction log: written; dropped, as too many waited; lost, as they could not be written.",
        ("outcome",),
        first=_LOGGED,
    ),
    "copydesk_feedback_total": Declared(
        Counter, "Corrections sent by users, of a version served here or (other).", ("version",)
    ),
}
JOBS = "copydesk_jobs"
JOBS_TEXT = "Jobs by status."
_NONE_GIVEN = [("(none)", None)]
_OTHER = "(other)"
_SHADOW = "shadow "


class Metrics:
    """What one server process counts. It is the lanes' watcher too."""

    def __init__(self) -> None:
        self._several = MULTIPROCESS in os.environ
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {name: self._made(name, declared) for name, declared in DECLARED.items()}
        self._children: dict[tuple[str, ...], Any] = {}
        self._versions: dict[str, None] = {}
        for name, declared in DECLARED.items():
            for labels in declared.first:
                self._of(name, *labels)

    def _made(self, name: str, declared: Declared) -> Counter | Gauge | Histogram:
        options: dict[str, Any] = {"registry": self.registry}
        if declared.buckets:
            options["buckets"] = declared.buckets
        if declared.kind is Gauge:
            options["multiprocess_mode"] = "livemax" if name.endswith("_info") else "livesum"
        return declared.kind(name.removesuffix("_total"), declared.text, declared.labels, **options)

    def _of(self, name: str, *labels: str) -> Any:  # noqa: ANN401 (a counter, gauge or histogram)
        """Return a metric with its labels; found once, then remembered."""
        key = (name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._metrics[name].labels(*labels)
        return child

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._of("copydesk_http_requests_total", route, method, str(status)).inc()
        self._of("copydesk_http_request_seconds", route).observe(seconds)

    def classified(self, version: str, times: Times, predictions: Sequence[Prediction]) -> None:
        """Count what a request was answered, and where its time went."""
        for stage in ("queue", "tokenise", "inference"):
            self._of("copydesk_stage_seconds", stage).observe(getattr(times, stage))
        confidence = self._of("copydesk_confidence", version)
        for prediction in predictions:
            for label, score in prediction.given or _NONE_GIVEN:
                self._of("copydesk_predictions_total", version, label).inc()
                if score is not None:
                    confidence.observe(abs(score))

    def ran(self, lane: Lane[Any], batch: Batch[Any], seconds: float, *, beside: str = "") -> None:
        """Count a batch. `beside` stands before the names of lanes that no client waits for."""
        name = beside + lane.engine.name
        self._of("copydesk_batch_texts", name).observe(len(batch.entries))
        self._of("copydesk_batch_seconds", name).observe(seconds)
        self._of("copydesk_queue_texts", name).set(len(lane.queue))
        if lane.engine.is_padded:
            self._of("copydesk_batch_tokens_total", name, "text").inc(batch.cost)
            self._of("copydesk_batch_tokens_total", name, "padding").inc(batch.padded_cost - batch.cost)

    def dropped(self, lane: Lane[Any], texts: int, *, beside: str = "") -> None:
        """Count texts that nobody waited for."""
        self._of("copydesk_dropped_texts_total", beside + lane.engine.name).inc(texts)
        self._of("copydesk_queue_texts", beside + lane.engine.name).set(len(lane.queue))

    def refused(self, reason: str) -> None:
        """Count a refusal."""
        self._of("copydesk_refusals_total", reason).inc()

    def serves(self, version: ModelVersion, *, now: bool) -> None:
        """Say that a version answers, or does no more."""
        self._versions.pop(version.version, None)
        self._versions[version.version] = None
        self._of("copydesk_model_info", version.name, version.version).set(int(now))
        self._of("copydesk_feedback_total", version.version)

    def swapped(self, outcome: str) -> None:
        """Count a change of versions: `done` or `failed`."""
        self._of("copydesk_swaps_total", outcome).inc()

    def shadowed(self, version: str, **texts: int) -> None:
        """Count what a candidate answered beside: `yes` it agreed, `no`, or it `failed`."""
        for outcome in _AGREES:
            self._of("copydesk_shadow_texts_total", version, outcome).inc(texts.get(outcome, 0))

    def logged(self, outcome: str, answers: int) -> None:
        """Count what became of answers in the prediction log: `written`, `dropped` or `lost`."""
        self._of("copydesk_log_entries_total", outcome).inc(answers)

    def corrected(self, version: str) -> None:
        """Count a correction. Its version is what a client sent: only those that were served have a name here."""
        known = version in self._versions and version not in self._forgotten
        self._of("copydesk_feedback_total", version if known else _OTHER).inc()

    @property
    def _forgotten(self) -> list[str]:
        """The versions that were served too long ago to be told of. What other processes serve is not among them."""
        return [*self._versions][:-_VERSIONS]

    def page(self, jobs: Mapping[JobStatus, int] | None = None) -> bytes:
        """Return all metrics of all processes in Prometheus' text form; `jobs` are the numbers by status."""
        source = self.registry
        if self._several:
            source = CollectorRegistry()
            MultiProcessCollector(source)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        registry.register(_Lately(source, self._forgotten))
        page: bytes = generate_latest(registry)
        if jobs is not None:
            extra = CollectorRegistry()
            extra.register(_Jobs(jobs))
            page += generate_latest(extra)
        return page


class Shadow:
    """What the lanes of a candidate in the shadow tell: its batches are not among those that clients wait for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def ran(self, lane: Lane[Any], batch: Batch[Any], seconds: float) -> None:
        """Count a batch of the candidate's."""
        self._metrics.ran(lane, batch, seconds, beside=_SHADOW)

    def dropped(self, lane: Lane[Any], texts: int) -> None:
        """Count texts that the candidate was too slow for."""
        self._metrics.dropped(lane, texts, beside=_SHADOW)


class _Lately:
    """What is counted, without the versions that are forgotten: each has as many series as the model has labels.

    Nor does it tell when each series began, which nobody asks for and which doubles them.
    """

    def __init__(self, source: CollectorRegistry, forgotten: Collection[str]) -> None:
        self._source, self._forgotten = source, forgotten

    def collect(self) -> Iterator[Metric]:
        for metric in self._source.collect():
            metric.samples = [
                sample
                for sample in metric.samples
                if sample.labels.get("version") not in self._forgotten and not sample.name.endswith("_created")
            ]
            yield metric


class _Jobs:
    """The jobs as they are in their store, which all processes share."""

    def __init__(self, counts: Mapping[JobStatus, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(JOBS, JOBS_TEXT, labels=["status"])
        for status, count in self._counts.items():
            family.add_metric([status], count)
        yield family
