"""Evidence for the gate, made up: who answers which text wrongly, how surely, how slowly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from copydesk.gate.evidence import Evidence, SeenTexts
from copydesk.metrics.base import proportion_interval
from copydesk.slices import TextSlice, judged
from copydesk.tasks import make_task
from copydesk.types import BehaviourResult

LABELS = ("a", "b", "c", "d")
TEXTS = 1_000


def made_up(
    wrong: Iterable[int],
    *,
    texts: int = TEXTS,
    sure: float | None = None,
    slow: float = 1.0,
    slices: Mapping[str, Sequence[int]] | None = None,
    **other: Any,  # noqa: ANN401 (fields of Evidence)
) -> Evidence:
    """Return the evidence of a model that answers these texts wrongly; text i has the label i % 4.

    It is as sure as it is right on the whole, or `sure`. Its times are those of a calm machine, times `slow`.
    """
    targets = np.arange(texts) % len(LABELS)
    missed = np.isin(np.arange(texts), list(wrong))
    given = np.where(missed, (targets + 1) % len(LABELS), targets)
    confidence = 1 - missed.sum() / max(texts, 1) if sure is None else sure
    scores = np.full((texts, len(LABELS)), (1 - confidence) / (len(LABELS) - 1))
    scores[np.arange(texts), given] = confidence
    tallies = make_task("single", LABELS).tallies(targets, scores)
    parts = [TextSlice(name, np.isin(np.arange(texts), list(places))) for name, places in (slices or {}).items()]
    jitter = 1 + 0.01 * np.random.default_rng(len(list(LABELS))).random((7, 40))
    known: dict[str, Any] = {
        "name": "models:/toy/2",
        "task": "single",
        "metrics": tallies.figures(),
        "slices": judged(parts, ~missed),
        "tallies": tallies,
        "parts": parts,
        "labels": LABELS,
        "times_ms": slow * jitter * np.linspace(1.0, 2.0, 40),
        "bundle_mb": 100.0,
        "memory_mb": 200.0,
        "seen": SeenTexts(texts),
    }
    return Evidence(**known | other)


def behaviour(name: str, passed: int, cases: int = 100, required: float = 0.9) -> BehaviourResult:
    """Return how often a behaviour was kept."""
    return BehaviourResult(name, "INV", cases, passed, proportion_interval(passed, cases), required)
