"""A classifier and labelled texts to a Report: metrics with intervals, slices, calibration, mistakes, latency.

Pure but for the clock, which is passed in. It does not know how the classifier was made; training adds its part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.runtime.engine import Classifier
from copydesk.slices import TextSlice, by_length, judged
from copydesk.tasks import Scores, Targets, Task, heads_loss
from copydesk.types import Label, Mistake, Report

Clock = Callable[[], float]
_SHOWN_MISTAKES = 25
_LATENCY_TEXTS = 50
_WARM_UP_TEXTS = 3
_TEMPERATURES = (0.2, 5.0)


@dataclass(frozen=True)
class Answered:
    """Labelled texts and a classifier's answers: `targets` as the task encodes them, `scores` of shape (n, outputs).

    `stages` names who answered each text in a cascade, and is empty elsewhere; `seconds` is how long it took.
    """

    texts: Sequence[str]
    targets: Targets
    scores: Scores
    stages: Sequence[str]
    seconds: float

    @classmethod
    def by(
        cls,
        classifier: Classifier,
        texts: Sequence[str],
        labels: Sequence[Label],
        *,
        clock: Clock = time.perf_counter,
    ) -> Answered:
        """Let the classifier answer. Raises `DataError` if a label is not one of the model's."""
        targets = classifier.task.encode(labels)
        started = clock()
        scores, stages = classifier.scored(texts)
        return cls(texts, targets, scores, stages, clock() - started)


def evaluate(
    classifier: Classifier,
    texts: Sequence[str],
    labels: Sequence[Label],
    *,
    weak: int = 0,
    slices: Sequence[TextSlice] | None = None,
    clock: Clock = time.perf_counter,
) -> Report:
    """Predict the texts and measure the answers against their labels, of which so many are `weak`.

    `slices` are looked at on their own (`slices.slices_of`; default: those by length). Raises `DataError` if a label is
    not one of the model's.
    """
    answered = Answered.by(classifier, texts, labels, clock=clock)
    return report_of(classifier, answered, weak=weak, slices=slices, clock=clock)


def report_of(
    classifier: Classifier,
    answered: Answered,
    *,
    weak: int = 0,
    slices: Sequence[TextSlice] | None = None,
    clock: Clock = time.perf_counter,
) -> Report:
    """Return what `evaluate` does, for answers that are there."""
    texts = answered.texts
    report = _report(classifier, answered, by_length(texts) if slices is None else slices)
    return replace(
        report,
        latency_ms=measure_latency(classifier, texts, clock=clock),
        costs={"texts_per_second": len(texts) / answered.seconds} if answered.seconds > 0 else {},
        notes=[*_weak_notes(weak, len(texts)), *report.notes],
    )


def _weak_notes(weak: int, texts: int) -> list[str]:
    """Return what a reader must not miss where labelling functions, not people, labelled test texts."""
    if not weak:
        return []
    which = f"All {texts:,}" if weak == texts else f"{weak:,} of {texts:,}"
    return [
        f"{which} test labels are weak: labelling functions gave them, not people. The figures measure how far the "
        "model agrees with these functions, not how often it is right. To know that, let people label a sample and "
        "name its column in the recipe (weak.gold), or give a test file of its own."
    ]


def _report(classifier: Classifier, answered: Answered, slices: Sequence[TextSlice]) -> Report:
    """Return the Report of known scores, in the task's own shapes; without what was timed."""
    task, texts, targets, scores = classifier.task, answered.texts, answered.targets, answered.scores
    measured = task.measure(targets, scores)
    return Report(
        task=task.name,
        model=classifier.model.kind,
        n=len(texts),
        metrics=measured.metrics,
        intervals=measured.intervals,
        per_label=measured.per_label,
        slices=judged(slices, task.right(targets, scores)),
        calibration=measured.calibration,
        confusion=measured.confusion,
        mistakes=_mistakes(task, texts, targets, scores),
        latency_ms={},
        notes=measured.notes,
        headline=task.headline,
    )


def fit_temperature(task: Task, logits: np.ndarray[tuple[int, int], np.dtype[np.float32]], targets: Targets) -> float:
    """Return the temperature that minimises the validation loss (Guo et al. 2017), between 0.2 and 5.

    A standard normal prior on its logarithm keeps it near 1 where few or flawless answers say little. Golden-section
    search, to 0.1 %.
    """
    low, high = np.log(_TEMPERATURES)
    golden = (np.sqrt(5) - 1) / 2

    def loss(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        return heads_loss(task.heads, logits, targets, temperature) + log_temperature**2 / (2 * len(targets))

    while high - low > 1e-3:
        first, second = high - golden * (high - low), low + golden * (high - low)
        if loss(first) < loss(second):
            high = second
        else:
            low = first
    return float(np.exp((low + high) / 2))


def measure_latency(
    classifier: Classifier, texts: Sequence[str], *, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds of predicting one text at a time."""
    chosen = [texts[place] for place in np.linspace(0, len(texts) - 1, min(_LATENCY_TEXTS, len(texts))).astype(int)]
    for text in chosen[:_WARM_UP_TEXTS]:
        classifier.predict([text])
    times = []
    for text in chosen:
        started = clock()
        classifier.predict([text])
        times.append((clock() - started) * 1000)
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def _mistakes(task: Task, texts: Sequence[str], targets: Targets, scores: Scores) -> list[Mistake]:
    surprise, answers = task.surprise(targets, scores), task.answers(scores)
    wrong = np.flatnonzero(~task.right(targets, scores))
    surest = wrong[np.argsort(-surprise[wrong], kind="stable")][:_SHOWN_MISTAKES]
    return [
        Mistake(
            texts[place].replace(COLUMN_SEPARATOR, " · "),
            task.describe(targets[place]),
            task.describe(answers[place]),
            float(surprise[place]),
        )
        for place in surest
    ]
