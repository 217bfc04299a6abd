"""A suite asked of a model: cases -> results, the worst failures first."""

from __future__ import annotations

import os.path
from collections.abc import Sequence

import numpy as np

from copydesk.behaviour.cases import Asked, Base, Case
from copydesk.behaviour.load import Suite
from copydesk.metrics.base import proportion_interval
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Scores, Task, Wanted, place_of
from copydesk.types import BehaviourResult, CaseFailure, Label, Prediction

_SHOWN_FAILURES = 10
_SHOWN_CHARACTERS = 300


def run_suite(
    suite: Suite,
    classifier: Classifier,
    *,
    texts: Sequence[str] = (),
    labels: Sequence[Label] = (),
    seed: int = 0,
) -> list[BehaviourResult]:
    """Ask a model every case and return a result for each behaviour, in the suite's order.

    `texts` are real texts, prepared as the model reads them, and `labels` theirs, in the same order: behaviours with
    `data` are made of them, and have no cases without. The same seed and texts give the same cases, in whatever order
    the texts come. Raises `UsageError` for a label that the model does not have.
    """
    real = real_texts(texts, labels)
    asked = [behaviour.asked(real, seed) for behaviour in suite.behaviours]
    answers = Answers(classifier, [case for one in asked for case in one.cases])
    return [result_of(one, answers) for one in asked]


def real_texts(texts: Sequence[str], labels: Sequence[Label]) -> list[Base]:
    """Return the texts that were handed in, with their labels where there are any."""
    known: Sequence[Label | None] = labels or [None] * len(texts)
    return [Base(text, label) for text, label in zip(texts, known, strict=True)]


class Answers:
    """What a model says to every text of some cases, each asked once."""

    def __init__(self, classifier: Classifier, cases: Sequence[Case]) -> None:
        """Ask the model."""
        changed = {case.changed for case in cases if not case.wanted}
        texts = sorted({case.text for case in cases} | changed)
        self.task: Task = classifier.task
        self._places = {text: place for place, text in enumerate(texts)}
        self._scores = classifier.scores(texts) if texts else np.zeros((0, classifier.task.outputs))

    def of(self, text: str) -> Scores:
        """Return one text's scores, shape (1, outputs)."""
        place = self._places[text]
        return self._scores[place : place + 1]


def result_of(asked: Asked, answers: Answers) -> BehaviourResult:
    """Judge a behaviour's cases."""
    judged = [(case, badness(case, answers)) for case in asked.cases]
    failed = sorted(((case, bad) for case, bad in judged if bad > 0), key=lambda one: (-one[1], one[0].text))
    passed = len(judged) - len(failed)
    return BehaviourResult(
        name=asked.name,
        kind=asked.kind,
        n=len(judged),
        passed=passed,
        interval=proportion_interval(passed, len(judged)),
        required=asked.required,
        failures=[_failure(case, bad, answers) for case, bad in failed[:_SHOWN_FAILURES]],
        capability=asked.capability,
        skipped=asked.skipped,
    )


def badness(case: Case, answers: Answers) -> float:
    """Return how badly a case failed; exactly 0 if it passed."""
    before = answers.of(case.text)
    if case.wanted:
        return max(float(answers.task.shortfall(before, wanted)[0]) for wanted in case.wanted)
    after = answers.of(case.changed)
    if case.move is None:
        return float(answers.task.moved(before, after)[0])
    place = place_of(case.move.label, answers.task.labels)
    gone = case.move.sign * float(after[0, place] - before[0, place])
    return max(case.move.least - gone, 0.0)


def _failure(case: Case, bad: float, answers: Answers) -> CaseFailure:
    before = answers.of(case.text)
    text, changed = shown_pair(_in_one_line(case.text), _in_one_line(case.changed))
    if case.wanted:
        wanted, said = "; ".join(map(in_words, case.wanted)), _said(answers.task.decode(before)[0])
    elif case.move is None:
        said = f"{_said(answers.task.decode(before)[0])} → {_said(answers.task.decode(answers.of(case.changed))[0])}"
        wanted = "the same answer"
    else:
        place = place_of(case.move.label, answers.task.labels)
        wanted = f"{case.move.label} {'up' if case.move.sign > 0 else 'down'}"
        said = f"{before[0, place]:.2f} → {answers.of(case.changed)[0, place]:.2f}"
    return CaseFailure(text, wanted, said, bad, changed)


def shown_pair(text: str, changed: str) -> tuple[str, str]:
    """Return both texts; of long ones what stands around their first difference."""
    if not changed or max(len(text), len(changed)) <= _SHOWN_CHARACTERS:
        return text, changed
    same = len(os.path.commonprefix([text, changed]))
    begin = max(same - _SHOWN_CHARACTERS // 2, 0)
    shown = [part[begin : begin + _SHOWN_CHARACTERS] for part in (text, changed)]
    cut = [("…" if begin else "") + part for part in shown]
    return cut[0], cut[1]


def in_words(wanted: Wanted) -> str:
    """Return what is wanted, in short."""
    sign = {1: " +", -1: " -", 0: ""}[wanted.sign]
    return ("" if wanted.given else "not ") + wanted.label + sign + (f" {wanted.tag}" if wanted.tag else "")


def _said(answer: Prediction) -> str:
    if answer.labels is not None:
        return ", ".join(answer.labels) or "none"
    if answer.signals is not None:
        there = [signal for signal in answer.signals if signal.present]
        return ", ".join(f"{one.category} {one.score:+.2f} {one.tag}".rstrip() for one in there) or "none"
    return "no answer" if answer.label is None else f"{answer.label} {answer.score:.2f}"


def _in_one_line(text: str) -> str:
    return text.strip(COLUMN_SEPARATOR).replace(COLUMN_SEPARATOR, " · ")
