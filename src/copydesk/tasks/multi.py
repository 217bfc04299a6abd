"""Any subset of the labels: one sigmoid and one threshold per label.

Thresholds are tuned on the validation part, where F1 is not smooth: a label with few validation texts would get a
threshold that fits their accidents. Such labels share one, the best for all of them together: that of the common
labels would be too high, as a rare label is seldom probable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import DataError, UsageError
from copydesk.metrics.base import Measured, best_threshold
from copydesk.metrics.multi import measure_multi, micro_f1, tally_multi
from copydesk.metrics.tally import Tallies
from copydesk.tasks.base import (
    Head,
    Logits,
    Margin,
    Scores,
    Targets,
    Wanted,
    distance_where,
    place_of,
    require_plain,
    sigmoid,
)
from copydesk.tasks.columns import Column, Lists, Names
from copydesk.types import Decision, Label, Prediction

_ENOUGH_TEXTS = 10
"""Fewer validation texts with a label than this do not decide its own threshold."""
_UNTUNED = 0.5
_LEAST = 1e-9


@dataclass(frozen=True)
class MultiTask:
    """Any subset of the labels. Targets are 0 and 1, shape (n, labels)."""

    labels: tuple[str, ...]
    decision: Decision = Decision()
    name: str = "multi"
    field: str = "labels"
    headline: str = "micro_f1"

    @property
    def outputs(self) -> int:
        """One per label."""
        return len(self.labels)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    @property
    def when_absent(self) -> tuple[float, ...]:
        """No label."""
        return (0.0,) * len(self.labels)

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """One run of sigmoids."""
        return (Head("sigmoid", 0, len(self.labels)),)

    @property
    def thresholds(self) -> Scores:
        """The least score at which each label is given, shape (labels,)."""
        return np.array(self.decision.thresholds or [_UNTUNED] * len(self.labels), np.float64)

    def encode(self, labels: Sequence[Label]) -> Targets:
        """Return 0 and 1, shape (n, labels). Raises `DataError` for an unknown label."""
        index = {label: position for position, label in enumerate(self.labels)}
        targets = np.zeros((len(labels), len(self.labels)), np.float32)
        for row, names in enumerate(labels):
            for name in names:
                if name not in index:
                    raise DataError(f"Label {name!r} is not one of the model's: {', '.join(self.labels[:30])}.")
                targets[row, index[name]] = 1
        return targets

    def scores(self, logits: Logits, temperature: float = 1.0) -> Scores:
        """Return sigmoid(logits / temperature), shape (n, labels): each label's own probability."""
        return sigmoid(logits / temperature)

    def given(self, scores: Scores) -> NDArray[np.bool_]:
        """Tell which labels each text gets, shape (n, labels)."""
        given: NDArray[np.bool_] = scores >= self.thresholds
        if self.decision.min_labels and scores.size:
            none = ~given.any(axis=1)
            given[none, (scores / np.maximum(self.thresholds, _LEAST))[none].argmax(axis=1)] = True
        given[self._abstains(scores)] = False
        return given

    def _abstains(self, scores: Scores) -> NDArray[np.bool_]:
        abstains: NDArray[np.bool_] = scores.max(axis=1, initial=0.0) < self.decision.abstain_below
        return abstains

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Return every label that reaches its threshold, the most probable first."""
        answers = []
        for row, given, abstained in zip(scores, self.given(scores), self._abstains(scores), strict=True):
            chosen = sorted(np.flatnonzero(given), key=lambda place: -row[place])
            every = dict(zip(self.labels, row.tolist(), strict=True)) if all_scores else None
            names = [self.labels[place] for place in chosen]
            answers.append(Prediction(labels=names, scores=every, abstained=bool(abstained)))
        return answers

    def columns(self, scores: Scores, *, all_scores: bool = False) -> dict[str, Column]:
        """Return `labels` as a column of lists, the most probable first; `scores`, if wanted, has one per label."""
        given = self.given(scores)
        texts, places = np.nonzero(given)
        order = np.lexsort((-scores[texts, places], texts))
        columns: dict[str, Column] = {"labels": Lists(given.sum(axis=1), Names(places[order], self.labels))}
        if self.decision.abstain_below:
            columns["abstained"] = self._abstains(scores)
        if all_scores:
            columns["scores"] = dict(zip(self.labels, scores.T, strict=True))
        return columns

    def margins(self, scores: Scores, label: str | None = None) -> list[Margin]:
        """Return every given label, the most probable first, or the one that is asked for."""
        names = (self.decode(scores[None])[0].labels or []) if label is None else [label]
        return [Margin(name, place_of(name, self.labels)) for name in names]

    def decided(self, scores: Scores, targets: Targets) -> MultiTask:
        """Return the task with the thresholds that are best on these validation scores.

        For micro F1 that is one threshold for all labels; for macro F1 each label has its own, rare ones share one.
        """
        overall = best_threshold(scores.ravel(), targets.ravel(), otherwise=_UNTUNED)
        thresholds = [overall] * len(self.labels)
        if self.decision.aim == "macro_f1":
            rare = targets.sum(axis=0) < _ENOUGH_TEXTS
            shared = best_threshold(scores[:, rare].ravel(), targets[:, rare].ravel(), otherwise=overall)
            for place in range(len(self.labels)):
                own = (scores[:, place], targets[:, place])
                thresholds[place] = shared if rare[place] else best_threshold(*own, otherwise=overall)
        return replace(self, decision=replace(self.decision, thresholds=tuple(thresholds)))

    def with_thresholds(self, thresholds: Mapping[str, float] | float) -> MultiTask:
        """Return the task with other thresholds, by label or one for all."""
        chosen = replaced_thresholds(self.labels, self.thresholds, thresholds)
        return replace(self, decision=replace(self.decision, thresholds=chosen))

    def quality(self, scores: Scores, targets: Targets) -> float:
        """Return micro F1 at the one threshold that is best for all labels together."""
        overall = best_threshold(scores.ravel(), targets.ravel(), otherwise=_UNTUNED)
        return micro_f1(targets > 0, scores >= overall)

    def measure(self, targets: Targets, scores: Scores) -> Measured:
        """Return precision, recall and F1 in all their means, subset accuracy and Hamming loss."""
        return measure_multi(targets > 0, self.given(scores), scores, self.labels, self.thresholds)

    def tallies(self, targets: Targets, scores: Scores) -> Tallies:
        """Return what the answers add to each metric, text by text."""
        return tally_multi(targets > 0, self.given(scores), scores)

    def answers(self, scores: Scores) -> Targets:
        """Return the given labels as 0 and 1."""
        return self.given(scores).astype(np.float32)

    def right(self, targets: Targets, scores: Scores) -> NDArray[np.bool_]:
        """Tell whether a text got all of its labels and no other."""
        right: NDArray[np.bool_] = (self.given(scores) == (targets > 0)).all(axis=1)
        return right

    def confidence(self, scores: Scores) -> Scores:
        """Return the product over the labels of the probability that each is rightly given or not.

        Labels that occur together make that too small.
        """
        confidence: Scores = np.where(self.given(scores), scores, 1 - scores).prod(axis=1)
        return confidence

    def surprise(self, targets: Targets, scores: Scores) -> Scores:
        """Return the largest distance between a wrongly decided label's score and the truth."""
        wrong = self.given(scores) != (targets > 0)
        surprise: Scores = (np.abs(scores - targets) * wrong).max(axis=1, initial=0.0)
        return surprise

    def shortfall(self, scores: Scores, wanted: Wanted) -> Scores:
        """Return what the label's probability lacks to 1, or where it must not be given, to 0."""
        require_plain(wanted)
        place = place_of(wanted.label, self.labels)
        wrong = self.given(scores)[:, place] != wanted.given
        return distance_where(wrong, np.abs(float(wanted.given) - scores[:, place]))

    def moved(self, before: Scores, after: Scores) -> Scores:
        """Return the largest change of a probability among the labels that are given only once."""
        changed = self.given(before) != self.given(after)
        return distance_where(changed.any(axis=1), (np.abs(before - after) * changed).max(axis=1, initial=0.0))

    def describe(self, target: NDArray[Any]) -> str:
        """Return the names of the text's labels."""
        return ", ".join(self.labels[place] for place in np.flatnonzero(target)) or "none"


def replaced_thresholds(
    labels: Sequence[str], present: Scores, wanted: Mapping[str, float] | float
) -> tuple[float, ...]:
    """Return the thresholds with those replaced that are named. Raises `UsageError` for another label or value."""
    values = dict.fromkeys(labels, wanted) if isinstance(wanted, int | float) else dict(wanted)
    for label, value in values.items():
        if label not in labels:
            raise UsageError(f"Threshold for {label!r}: the model's labels are {', '.join(labels[:30])}.")
        if not 0 <= value <= 1:
            raise UsageError(f"Threshold {value!r} for {label!r} is not between 0 and 1.")
    return tuple(float(values.get(label, kept)) for label, kept in zip(labels, present, strict=True))
