"""What the gate knows of a model: frozen values that `measure.py` has gathered, or a test has made up.

The evidence of two models is of one run: the same texts, in the same order, answered by the same process.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.tally import Tallies
from copydesk.slices import TextSlice
from copydesk.types import BehaviourResult, Failure, Slice

Times = NDArray[np.float64]


@dataclass(frozen=True)
class SeenTexts:
    """How many of so many test texts a model was trained on: as they are, and nearly; one of them as an example."""

    texts: int
    exact: int = 0
    near: int = 0
    example: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known of one model.

    `name` is how commands call it, `task` its task. `metrics` and `slices` are measured on every test text that the
    model was not trained on. `tallies` are its answers to the texts that neither model was trained on, `parts` the
    slices of these: both are compared. `labels` names the columns of `tallies.mistaken`. `times_ms`, shape (rounds,
    texts), are those of one text at a time, `memory_mb` the most that a process with this model alone has held.
    `seen` is None where the bundle does not tell what it was trained on, `ml_test_score` where no check did.
    """

    name: str
    task: str
    metrics: dict[str, float]
    slices: list[Slice]
    tallies: Tallies
    parts: list[TextSlice]
    labels: tuple[str, ...]
    times_ms: Times
    bundle_mb: float
    memory_mb: float
    behaviours: list[BehaviourResult] = field(default_factory=list)
    seen: SeenTexts | None = None
    ml_test_score: float | None = None

    @property
    def p95_latency_ms(self) -> float:
        """The 95th percentile over texts of each one's fastest time: what a slow text takes on a calm machine."""
        return slow_text_ms(self.times_ms)


def slow_text_ms(times_ms: Times) -> float:
    """Return the 95th percentile over texts of their fastest times, shape (rounds, texts).

    What else the machine does makes a text slower and never faster; a median moved by a third under load.
    """
    return float(np.percentile(times_ms.min(axis=0), 95))


def failure(rule: str, needed: str, measured: str, why: str) -> list[Failure]:
    """Return one failure as a list, as every rule does."""
    return [Failure(rule, needed, measured, why)]
