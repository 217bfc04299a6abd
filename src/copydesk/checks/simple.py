"""A model simpler than the one that is checked.

Of an encoder or a cascade that is the linear model; of the linear model naive Bayes over words (task `single`), or the
most frequent answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from copydesk.checks.subject import Subject
from copydesk.checks.tokens import words_of
from copydesk.metrics.base import Flags
from copydesk.runtime.engine import Classifier
from copydesk.types import Label


@dataclass(frozen=True)
class Simple:
    """A simple model's name, and which of some labelled texts it gets wholly right."""

    name: str
    right: Callable[[Sequence[str], Sequence[Label]], Flags]


def simplest(subject: Subject) -> Simple:
    """Return the simpler model, trained on the same training part. Raises `Undecided` without it."""
    if subject.classifier.model.kind in ("encoder", "cascade"):
        linear = subject.linear
        return Simple("the linear model", lambda texts, labels: _right(linear, texts, labels))
    texts, labels = subject.trained_on.part("train")
    if subject.recipe.task == "single":
        answer = naive_bayes(texts, [str(label) for label in labels])
        return Simple("naive Bayes over words", lambda asked, truth: np.array(answer(asked)) == np.array(truth))
    ((frequent, _),) = Counter(map(repr, labels)).most_common(1)
    return Simple("the most frequent answer", lambda _, truth: np.array([repr(label) == frequent for label in truth]))


def _right(model: Classifier, texts: Sequence[str], labels: Sequence[Label]) -> Flags:
    return model.task.right(model.task.encode(labels), model.scores(texts))


def naive_bayes(texts: Sequence[str], labels: Sequence[str]) -> Callable[[Sequence[str]], list[str]]:
    """Return multinomial naive Bayes over a text's different words, with one added to every count."""
    names = sorted(set(labels))
    counts = {name: Counter[str]() for name in names}
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(words_of(text))
    vocabulary = set().union(*counts.values())
    priors = {name: np.log(labels.count(name) / len(labels)) for name in names}
    totals = {name: counts[name].total() + len(vocabulary) for name in names}

    def answer(asked: Sequence[str]) -> list[str]:
        found = []
        for text in asked:
            words = words_of(text) & vocabulary
            sums = {
                name: priors[name] + sum(np.log((counts[name][word] + 1) / totals[name]) for word in words)
                for name in names
            }
            found.append(max(names, key=sums.__getitem__))
        return found

    return answer
