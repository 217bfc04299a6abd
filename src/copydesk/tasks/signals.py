"""A sheet of signals: for every category a score from -1 to 1 and a tag.

The outputs are one tanh column per category, then each category's tags as a softmax; the first tag is the empty one.
A training text need not know every category: what it leaves open does not count.
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
from copydesk.metrics.signals import SignalSheet, measure_signals, presence_macro_f1, tally_signals
from copydesk.metrics.tally import Tallies
from copydesk.tasks.base import Head, Logits, Margin, Scores, Targets, Wanted, distance_where, place_of, softmax
from copydesk.tasks.columns import Column, Lists, Names
from copydesk.tasks.multi import replaced_thresholds
from copydesk.types import INTENSITIES, INTENSITY_FROM, Decision, Label, Prediction, Signal

SCORE_WEIGHT, TAG_WEIGHT = 0.7, 0.3
_PRESENT_FROM = 0.25
"""From this evidence on a category counts as present, where validation does not say better."""
_ENOUGH_TEXTS = 5
_LEAST = 1e-9


@dataclass(frozen=True)
class SignalsTask:
    """A score and a tag per category. Targets have shape (n, 2 x categories): scores, then tag numbers; NaN: unknown.

    `tags` are the categories' vocabularies without the empty tag, which is number 0 in each.
    """

    labels: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    decision: Decision = Decision()
    name: str = "signals"
    field: str = "signals"
    headline: str = "macro_f1"

    @property
    def outputs(self) -> int:
        """One score per category, and one column for each of its tags, the empty one included."""
        return len(self.labels) + sum(len(tags) + 1 for tags in self.tags)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The categories, then each one's tags, the empty tag first."""
        tags = zip(self.labels, self.tags, strict=True)
        return (*self.labels, *(f"{category}: {tag}" for category, own in tags for tag in ("", *own)))

    @property
    def when_absent(self) -> tuple[float, ...]:
        """No score, and surely no tag."""
        return (*(0.0 for _ in self.labels), *(float(not tag) for own in self.tags for tag in ("", *own)))

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """A tanh and a softmax per category."""
        count = len(self.labels)
        scores = [Head("tanh", place, place + 1, place, SCORE_WEIGHT) for place in range(count)]
        starts = np.cumsum([count, *(len(tags) + 1 for tags in self.tags)]).tolist()
        tags = [Head("softmax", starts[place], starts[place + 1], count + place, TAG_WEIGHT) for place in range(count)]
        return (*scores, *tags)

    @property
    def thresholds(self) -> Scores:
        """The least evidence at which each category counts as present, shape (categories,)."""
        return np.array(self.decision.thresholds or [_PRESENT_FROM] * len(self.labels), np.float64)

    def encode(self, labels: Sequence[Label]) -> Targets:
        """Return scores and tag numbers, shape (n, 2 x categories). Raises `DataError` for others."""
        places = {category: place for place, category in enumerate(self.labels)}
        numbers = [{tag: number for number, tag in enumerate(("", *tags))} for tags in self.tags]
        targets = np.full((len(labels), 2 * len(self.labels)), np.nan, np.float32)
        for row, signals in enumerate(labels):
            for signal in signals:
                if not isinstance(signal, Signal) or signal.category not in places:
                    raise DataError(f"Signal {signal!r} is of none of the categories: {', '.join(self.labels)}.")
                place = places[signal.category]
                if signal.tag not in numbers[place]:
                    known = ", ".join(self.tags[place])
                    raise DataError(f"Tag {signal.tag!r} is not one of the tags of {signal.category!r}: {known}.")
                targets[row, place] = signal.score
                targets[row, len(self.labels) + place] = numbers[place][signal.tag]
        return targets

    def scores(self, logits: Logits, temperature: float = 1.0) -> Scores:
        """Return the categories' scores (tanh), then each one's tag probabilities, in the shape of the logits."""
        result: Scores = logits.astype(np.float64)
        for head in self.heads:
            columns = slice(head.start, head.stop)
            part = result[:, columns]
            result[:, columns] = np.tanh(part) if head.kind == "tanh" else softmax(part / temperature)
        return result

    def evidence(self, scores: Scores) -> Scores:
        """Return what speaks for each category's presence, 0 to 1, shape (n, categories).

        It is the mean of the score's strength and of the probability that there is any tag: a neutral event has no
        strength, and an unusual one no tag.
        """
        untagged = scores[:, [head.start for head in self.heads[len(self.labels) :]]]
        evidence: Scores = (np.abs(scores[:, : len(self.labels)]) + 1 - untagged) / 2
        return evidence

    def sheet(self, scores: Scores) -> SignalSheet:
        """Return the answers as arrays: score, presence and tag number per text and category."""
        tags = [scores[:, head.start : head.stop].argmax(axis=1) for head in self.heads[len(self.labels) :]]
        present = self.evidence(scores) >= self.thresholds
        return SignalSheet(scores[:, : len(self.labels)], present, np.stack(tags, axis=1))

    def truth(self, targets: Targets) -> SignalSheet:
        """Return the labels as arrays; a category is present if it has a score or a tag, unknown if NaN."""
        strengths, tags = targets[:, : len(self.labels)], targets[:, len(self.labels) :]
        present = (strengths != 0) | (tags > 0)
        return SignalSheet(strengths.astype(np.float64), present, np.nan_to_num(tags, nan=-1).astype(np.int64))

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Return the whole sheet for each row: a signal for every category, in the recipe's order."""
        sheet = self.sheet(scores)
        vocabularies = [("", *tags) for tags in self.tags]
        answers = []
        for row in range(len(scores)):
            columns = zip(
                self.labels, sheet.scores[row], vocabularies, sheet.tags[row], sheet.present[row], strict=True
            )
            signals = [
                Signal(category, float(score), vocabulary[tag], present=bool(present))
                for category, score, vocabulary, tag, present in columns
            ]
            every = {signal.category: signal.score for signal in signals} if all_scores else None
            answers.append(Prediction(signals=signals, scores=every))
        return answers

    def columns(self, scores: Scores, *, all_scores: bool = False) -> dict[str, Column]:
        """Return `signals` as a column of lists, each with every category's signal in the recipe's order."""
        sheet = self.sheet(scores)
        texts, count = sheet.scores.shape
        names = tuple(dict.fromkeys(["", *(tag for tags in self.tags for tag in tags)]))
        number = {name: place for place, name in enumerate(names)}
        tags = [
            np.array([number[tag] for tag in ("", *own)])[sheet.tags[:, place]] for place, own in enumerate(self.tags)
        ]
        signals: dict[str, Column] = {
            "category": Names(np.tile(np.arange(count), texts), self.labels),
            "score": sheet.scores.ravel(),
            "tag": Names(np.stack(tags, axis=1).ravel(), names),
            "present": sheet.present.ravel(),
            "intensity": Names(np.digitize(np.abs(sheet.scores.ravel()), INTENSITY_FROM), INTENSITIES),
        }
        columns: dict[str, Column] = {"signals": Lists(np.full(texts, count), signals)}
        if all_scores:
            columns["scores"] = dict(zip(self.labels, sheet.scores.T, strict=True))
        return columns

    def margins(self, scores: Scores, label: str | None = None) -> list[Margin]:
        """Return the score of every present category, the strongest first, or of the one that is asked for."""
        if label is not None:
            return [Margin(label, place_of(label, self.labels))]
        present = np.flatnonzero(self.sheet(scores[None]).present[0]).tolist()
        return [Margin(self.labels[place], place) for place in sorted(present, key=lambda place: -abs(scores[place]))]

    def decided(self, scores: Scores, targets: Targets) -> SignalsTask:
        """Return the task with each category's presence threshold tuned for F1 on these validation scores."""
        truth, found = self.truth(targets), self.evidence(scores)
        thresholds = []
        for place in range(len(self.labels)):
            known = ~np.isnan(truth.scores[:, place])
            present = truth.present[known, place]
            enough = min(present.sum(), (~present).sum()) >= _ENOUGH_TEXTS
            tuned = best_threshold(found[known, place], present, otherwise=_PRESENT_FROM) if enough else _PRESENT_FROM
            thresholds.append(tuned)
        return replace(self, decision=replace(self.decision, thresholds=tuple(thresholds)))

    def with_thresholds(self, thresholds: Mapping[str, float] | float) -> SignalsTask:
        """Return the task with other presence thresholds, by category or one for all."""
        chosen = replaced_thresholds(self.labels, self.thresholds, thresholds)
        return replace(self, decision=replace(self.decision, thresholds=chosen))

    def quality(self, scores: Scores, targets: Targets) -> float:
        """Return the macro F1 of the categories' presence, with thresholds tuned on the same scores."""
        tuned = self.decided(scores, targets)
        return presence_macro_f1(tuned.truth(targets), tuned.sheet(scores))

    def measure(self, targets: Targets, scores: Scores) -> Measured:
        """Return presence macro F1, sign accuracy, the scores' mean absolute error and tag F1."""
        return measure_signals(self.truth(targets), self.sheet(scores), self.labels, self.thresholds)

    def tallies(self, targets: Targets, scores: Scores) -> Tallies:
        """Return what the answers add to each metric, text by text."""
        return tally_signals(self.truth(targets), self.sheet(scores), self.right(targets, scores))

    def answers(self, scores: Scores) -> Targets:
        """Return scores and tag numbers; both are 0 for an absent category."""
        sheet = self.sheet(scores)
        return np.concatenate([sheet.scores * sheet.present, sheet.tags * sheet.present], axis=1)

    def right(self, targets: Targets, scores: Scores) -> NDArray[np.bool_]:
        """Tell whether every known category is rightly present or absent, with the right sign where it has one."""
        truth, sheet = self.truth(targets), self.sheet(scores)
        signs = (np.sign(truth.scores) == np.sign(sheet.scores)) | (truth.scores == 0)
        fits = ((truth.present == sheet.present) & signs) | np.isnan(truth.scores)
        right: NDArray[np.bool_] = fits.all(axis=1)
        return right

    def confidence(self, scores: Scores) -> Scores:
        """Return the product over the categories of how probable it is that each is rightly present or absent.

        Evidence is no probability: it is taken to be even at the category's threshold, and linear on both sides.
        """
        evidence, even = self.evidence(scores), np.clip(self.thresholds, _LEAST, 1 - _LEAST)
        presence = np.where(evidence < even, evidence / (2 * even), 1 - (1 - evidence) / (2 * (1 - even)))
        confidence: Scores = np.maximum(presence, 1 - presence).prod(axis=1)
        return confidence

    def surprise(self, targets: Targets, scores: Scores) -> Scores:
        """Return the largest error of a score in a text that is not wholly right, 0 to 2."""
        errors = np.nan_to_num(np.abs(self.sheet(scores).scores - self.truth(targets).scores), nan=0.0)
        surprise: Scores = np.where(self.right(targets, scores), 0.0, errors.max(axis=1, initial=0.0))
        return surprise

    def shortfall(self, scores: Scores, wanted: Wanted) -> Scores:
        """Return what the evidence lacks, how far the score is on the wrong side, or what the tag's probability lacks.

        The first of these that is not as wanted counts.
        """
        place = place_of(wanted.label, self.labels)
        sheet, evidence = self.sheet(scores), self.evidence(scores)[:, place]
        wrong = sheet.present[:, place] != wanted.given
        result = distance_where(wrong, np.abs(float(wanted.given) - evidence))
        if wanted.sign:
            turned = np.sign(sheet.scores[:, place]) != wanted.sign
            result = np.where(wrong, result, distance_where(turned, np.abs(sheet.scores[:, place])))
        if wanted.tag:
            tag, head = self._tag(wanted), self.heads[len(self.labels) + place]
            another = (sheet.tags[:, place] != tag) & (result == 0)
            result = np.where(another, distance_where(another, 1 - scores[:, head.start + tag]), result)
        return result

    def _tag(self, wanted: Wanted) -> int:
        tags = self.tags[self.labels.index(wanted.label)]
        if wanted.tag not in tags:
            raise UsageError(f"Tag {wanted.tag!r} is not one of the tags of {wanted.label!r}: {', '.join(tags)}.")
        return tags.index(wanted.tag) + 1

    def moved(self, before: Scores, after: Scores) -> Scores:
        """Return the largest change of a score among categories that are present only once, or with another sign."""
        first, second = self.sheet(before), self.sheet(after)
        signs = np.sign(first.scores) * first.present != np.sign(second.scores) * second.present
        changed = (first.present != second.present) | signs
        distance = (np.abs(first.scores - second.scores) * changed).max(axis=1, initial=0.0)
        return distance_where(changed.any(axis=1), distance)

    def describe(self, target: NDArray[Any]) -> str:
        """Return the present categories with score and tag."""
        truth = self.truth(target[None])
        parts = []
        for place in np.flatnonzero(truth.present[0] & ~np.isnan(truth.scores[0])):
            tag = ("", *self.tags[place])[truth.tags[0, place]]
            parts.append(f"{self.labels[place]} {truth.scores[0, place]:+.2f} {tag}".rstrip())
        return ", ".join(parts) or "none"
