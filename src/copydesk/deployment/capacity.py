"""How much one server can take, by written rules from what was measured: docs/kubernetes.md and docs/cloud.md say them.

Everything follows from one figure, the answers a second of one core, and from what the batcher does with it: an engine
thread for each core, batches of 256 tokens, and a queue that is bounded by time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from copydesk.deployment.settings import Serve, Settings

BATCH_TOKENS = 256
"""What an engine thread of `serve` takes at once, padding included."""
GRACE_S = 60
"""So long `serve` lets what it has accepted be answered, after it has drained."""
_PROCESS_MB = 260
"""A serving process without its model: 208 to 243 MB were measured at full load, an encoder and a cascade."""
_STEP_MB = 256
_QUEUE_SHARE = 0.25
"""Servers are added where queues hold this share of what would be refused: before anybody is."""
_MOST_REQUESTS = 1_000


@dataclass(frozen=True)
class Capacity:
    """One server: answers a second, requests at once, texts in its queue at which more are wanted, memory in MB."""

    answers_per_second: float
    requests_at_once: int
    queue_texts: int
    memory_mb: int


def capacity_of(settings: Settings, *, cached_models: int = 0) -> Capacity:
    """Return what one server takes; `cached_models` are copies of the bundle that its cache keeps in memory."""
    serve = settings.serve
    rate = serve.measured.answers_per_second / serve.measured.cpus * serve.cpus
    at_once = rate * (serve.queue_seconds + _batch_seconds(serve)) / serve.texts_per_request
    return Capacity(
        answers_per_second=rate,
        requests_at_once=min(max(math.floor(at_once), serve.cpus), _MOST_REQUESTS),
        queue_texts=max(round(rate * serve.queue_seconds * _QUEUE_SHARE), 1),
        memory_mb=_memory_mb(serve, cached_models),
    )


def _batch_seconds(serve: Serve) -> float:
    """Return how long a batch takes: while it runs, its requests are under way and no longer in the queue."""
    texts = max(BATCH_TOKENS / serve.measured.tokens_per_text, 1)
    return texts / (serve.measured.answers_per_second / serve.measured.cpus)


def _memory_mb(serve: Serve, cached_models: int) -> int:
    """Return the process, the model, a second model while versions change, and what the cache holds in memory."""
    if serve.memory_mb != "auto":
        return serve.memory_mb
    needed = _PROCESS_MB + (2 + cached_models) * serve.model_mb
    return math.ceil(needed / _STEP_MB) * _STEP_MB
