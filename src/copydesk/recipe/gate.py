"""The recipe's `gate` section: what a candidate must reach before it is promoted.

Which metrics a task has is listed here, so that a name that is none is refused when the recipe is read;
`tests/test_gate_recipe.py` compares the list with what the tasks measure.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from copydesk.recipe.base import Section, Share

_MEANS = tuple(
    f"{mean}_{part}" for mean in ("micro", "macro", "weighted", "samples") for part in ("precision", "recall", "f1")
)
METRICS: dict[str, tuple[str, ...]] = {
    "single": ("accuracy", "macro_f1", "macro_recall", "weighted_f1"),
    "multi": ("subset_accuracy", "hamming", *_MEANS),
    "signals": ("macro_f1", "sign_accuracy", "score_mae", "tag_f1"),
}
"""Each task's metrics."""
CALIBRATION = ("ece", "brier")
"""Metrics of tasks with calibrated scores: all but `signals`."""
AT_MOST = frozenset({"hamming", "score_mae", *CALIBRATION, "p95_latency_ms", "bundle_mb", "memory_mb"})
"""Floors that are ceilings: the value may be at most so high."""
OF_ALL_TASKS = ("worst_slice_accuracy", "p95_latency_ms", "bundle_mb", "memory_mb", "behaviours", "ml_test_score")
_SHARE_OF_RIGHT = {"single": "accuracy", "multi": "subset_accuracy"}
"""The metric that is the share of wholly right texts: the only one that the exact test and McNemar's fit."""
_HEADLINES = {"single": "accuracy", "multi": "micro_f1", "signals": "macro_f1"}


def _default(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here; pydantic judges the result)
    """Return no values for null, which older recipes have here."""
    return {} if value is None else value


class AgainstProduction(Section):
    """What a candidate must be shown to be, next to the model in production on the same texts."""

    metric: str = Field("auto", description="What is compared; `auto`: the task's own headline metric.")
    require: Literal["better", "better_or_cheaper", "not_worse"] = Field(
        "better_or_cheaper", description="What is reason enough for a promotion."
    )
    max_drop: float = Field(0.002, ge=0, description="How much worse a cheaper, or a `not_worse`, candidate may be.")
    cheaper: float = Field(
        0.8, gt=0, le=1, description="Cheaper: at most this share of production's latency, size or memory."
    )
    confidence: float = Field(0.975, gt=0.5, lt=1, description="How sure what is shown must be (one-sided).")
    test: Literal["auto", "exact", "paired_bootstrap", "mcnemar"] = Field(
        "auto", description="`auto`: exact where the metric is a share of right texts, else the bootstrap."
    )


class MaxRatios(Section):
    """How much dearer than production a candidate may be, both measured in one run; null: by any amount."""

    p95_latency_ms: float | None = Field(1.5, gt=0, description="The time for one text, 95th percentile.")
    bundle_mb: float | None = Field(1.5, gt=0, description="The bundle's size.")
    memory_mb: float | None = Field(1.5, gt=0, description="What a process with the model holds.")


class MaxDrops(Section):
    """How much worse than production a part may become before it is refused; 1: by any amount."""

    label_f1: float = Field(0.03, ge=0, le=1, description="Any label's F1.")
    slice_accuracy: float = Field(0.03, ge=0, le=1, description="Any slice's accuracy.")
    behaviour: float = Field(0.1, ge=0, le=1, description="Any behaviour's pass rate.")
    calibration: float = Field(0.02, ge=0, le=1, description="How much higher the expected calibration error may be.")


class MaxLeaks(Section):
    """The greatest share of test texts that the candidate may have been trained on."""

    exact: Share = Field(0.0, description="Texts that are the same.")
    near: Share = Field(0.01, description="Texts that are nearly the same.")


class Gate(Section):
    """What a candidate must reach before it is promoted."""

    floors: dict[str, float] = Field({}, description="The least value by metric; of errors, times and sizes the most.")
    against_production: Annotated[AgainstProduction, BeforeValidator(_default)] = AgainstProduction()
    max_ratios: MaxRatios = MaxRatios()
    max_drops: MaxDrops = MaxDrops()
    max_leaks: MaxLeaks = MaxLeaks()
    test_uses: int = Field(10, ge=1, description="After so many decisions by the same test texts it warns.")

    def compared(self, task: str) -> str:
        """Return the metric that a candidate is compared in."""
        metric = self.against_production.metric
        return _HEADLINES[task] if metric == "auto" else metric


def gate_mistakes(gate: Gate, task: str) -> list[str]:
    """Return what of the section does not fit the task, in words."""
    metrics = (*METRICS[task], *(() if task == "signals" else CALIBRATION))
    known = (*metrics, *OF_ALL_TASKS)
    wrong = [f"gate.floors.{name}: {_no_such(name, known, task)}" for name in gate.floors if name not in known]
    against, metric = gate.against_production, gate.compared(task)
    if metric not in metrics:
        wrong.append(f"gate.against_production.metric {metric!r}: {_no_such(metric, metrics, task)}")
    elif against.test in ("exact", "mcnemar") and metric != _SHARE_OF_RIGHT.get(task):
        fits = _SHARE_OF_RIGHT.get(task, "none of this task's metrics")
        wrong.append(
            f"gate.against_production.test {against.test!r} fits {fits}, not {metric}; write paired_bootstrap or auto"
        )
    return wrong


def _no_such(name: str, known: tuple[str, ...], task: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}task {task!r} knows {', '.join(known)}"
