"""One of K labels, binary included: a softmax, and the most probable label as the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import DataError, UsageError
from copydesk.metrics.base import Measured
from copydesk.metrics.single import measure_single, tally_single
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
    softmax,
)
from copydesk.tasks.columns import Column, Names
from copydesk.types import Decision, Label, Prediction


@dataclass(frozen=True)
class SingleTask:
    """One of K labels. Targets are label indices, shape (n,)."""

    labels: tuple[str, ...]
    decision: Decision = Decision()
    name: str = "single"
    field: str = "label"
    headline: str = "accuracy"

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
        """One softmax."""
        return (Head("softmax", 0, len(self.labels)),)

    def encode(self, labels: Sequence[Label]) -> Targets:
        """Return the label indices, shape (n,). Raises `DataError` for an unknown label."""
        index = {label: position for position, label in enumerate(self.labels)}
        unknown = sorted({str(label) for label in labels if label not in index})
        if unknown:
            raise DataError(f"Label {unknown[0]!r} is not one of the model's: {', '.join(self.labels)}.")
        return np.fromiter((index[label] for label in labels), np.int64, len(labels))  # type: ignore[index]

    def scores(self, logits: Logits, temperature: float = 1.0) -> Scores:
        """Return softmax(logits / temperature), shape (n, labels)."""
        return softmax(logits.astype(np.float64) / temperature)

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Return the most probable label of each row (ties: the first), or none where even that is improbable."""
        best = scores.argmax(axis=1)
        answers = []
        for choice, row in zip(best, scores, strict=True):
            abstained = bool(row[choice] < self.decision.abstain_below)
            every = dict(zip(self.labels, row.tolist(), strict=True)) if all_scores else None
            label = None if abstained else self.labels[choice]
            answers.append(Prediction(label=label, score=float(row[choice]), scores=every, abstained=abstained))
        return answers

    def columns(self, scores: Scores, *, all_scores: bool = False) -> dict[str, Column]:
        """Return `label` and `score` as columns; `scores`, if wanted, has one for each label."""
        best = scores.argmax(axis=1)
        score = scores[np.arange(len(scores)), best]
        abstained = score < self.decision.abstain_below
        columns: dict[str, Column] = {"label": Names(np.where(abstained, -1, best), self.labels), "score": score}
        if self.decision.abstain_below:
            columns["abstained"] = abstained
        if all_scores:
            columns["scores"] = dict(zip(self.labels, scores.T, strict=True))
        return columns

    def margins(self, scores: Scores, label: str | None = None) -> list[Margin]:
        """Return the label against the strongest other one; without one that is asked for, the most probable."""
        order = np.argsort(-scores, kind="stable").tolist()
        place = order[0] if label is None else place_of(label, self.labels)
        rival = next((other for other in order if other != place), None)
        return [Margin(self.labels[place], place, "" if rival is None else self.labels[rival], rival)]

    def decided(self, scores: Scores, targets: Targets) -> SingleTask:
        """Return itself: the most probable label needs no threshold."""
        return self

    def with_thresholds(self, thresholds: Mapping[str, float] | float) -> SingleTask:
        """Raise `UsageError`: the most probable label wins, whatever its score."""
        raise UsageError("Thresholds are for the tasks 'multi' and 'signals'; this model's task is 'single'.")

    def quality(self, scores: Scores, targets: Targets) -> float:
        """Return the accuracy."""
        return float(self.right(targets, scores).mean())

    def measure(self, targets: Targets, scores: Scores) -> Measured:
        """Return accuracy, macro F1, macro recall and weighted F1, and what goes with them."""
        measured = measure_single(targets, scores, self.labels)
        if not self.decision.abstain_below:
            return measured
        answered, right = scores.max(axis=1) >= self.decision.abstain_below, self.right(targets, scores)
        note = (
            f"The model abstains below {self.decision.abstain_below:g}: it answers {answered.mean():.1%} of the test "
            f"texts, and of these answers {right[answered].mean() if answered.any() else 0:.1%} are right. The figures "
            "count every text's most probable label."
        )
        return replace(measured, notes=[*measured.notes, note])

    def tallies(self, targets: Targets, scores: Scores) -> Tallies:
        """Return what the answers add to each metric, text by text."""
        return tally_single(targets, scores)

    def answers(self, scores: Scores) -> Targets:
        """Return the indices of the most probable labels."""
        best: Targets = scores.argmax(axis=1)
        return best

    def right(self, targets: Targets, scores: Scores) -> NDArray[np.bool_]:
        """Tell whether the most probable label is the text's."""
        right: NDArray[np.bool_] = self.answers(scores) == targets
        return right

    def confidence(self, scores: Scores) -> Scores:
        """Return the most probable label's probability."""
        confidence: Scores = scores.max(axis=1, initial=0.0)
        return confidence

    def surprise(self, targets: Targets, scores: Scores) -> Scores:
        """Return the score of the wrong answer, 0 for a right one."""
        surprise: Scores = np.where(self.right(targets, scores), 0.0, scores.max(axis=1))
        return surprise

    def shortfall(self, scores: Scores, wanted: Wanted) -> Scores:
        """Return what the label's probability lacks to 1, or where it must not be given, to 0."""
        require_plain(wanted)
        place = place_of(wanted.label, self.labels)
        wrong = (self._given(scores) == place) != wanted.given
        return distance_where(wrong, np.abs(float(wanted.given) - scores[:, place]))

    def moved(self, before: Scores, after: Scores) -> Scores:
        """Return the largest change of a probability where the label is another, or is given only once."""
        return distance_where(self._given(before) != self._given(after), np.abs(before - after).max(axis=1))

    def _given(self, scores: Scores) -> Targets:
        """Return the indices of the labels that are given; -1 where the answer is none."""
        abstained = scores.max(axis=1, initial=0.0) < self.decision.abstain_below
        given: Targets = np.where(abstained, -1, self.answers(scores))
        return given

    def describe(self, target: NDArray[Any]) -> str:
        """Return the label's name."""
        return self.labels[int(target)]
