"""Labels as questions that have one answer each, whatever the task, and answers back to labels.

`single` asks one question, which label; `multi` asks of each label whether it is present; `signals` asks of each
category whether it is absent, bad news or good news (a category that is there without a score counts as good: it is
told apart by its tag). It does not know how a model answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.types import Label, Signal

Indices = NDArray[np.int64]
UNKNOWN = -1
ABSENT, PRESENT = "absent", "present"
_BAD, _GOOD = "-", "+"


@dataclass(frozen=True)
class Question:
    """`given[i]` is the answer that text i's label gives, as a place in `answers`; -1: it says nothing about it.

    `rare` tells that all answers but the first may be rare, as each of many labels is.
    """

    name: str
    answers: tuple[str, ...]
    given: Indices
    rare: bool = False

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which texts' labels answer it."""
        known: NDArray[np.bool_] = self.given != UNKNOWN
        return known


def _which_label(labels: Sequence[Label], names: Sequence[str]) -> list[Question]:
    places = {name: place for place, name in enumerate(names)}
    return [Question("", tuple(names), np.array([places[str(label)] for label in labels], np.int64))]


def _which_are_present(labels: Sequence[Label], names: Sequence[str]) -> list[Question]:
    places = {name: place for place, name in enumerate(names)}
    given = np.zeros((len(names), len(labels)), np.int64)
    for text, label in enumerate(labels):
        given[[places[str(name)] for name in label], text] = 1
    return [Question(name, (ABSENT, PRESENT), given[place], rare=True) for name, place in places.items()]


def _which_sign(labels: Sequence[Label], names: Sequence[str]) -> list[Question]:
    given = {name: np.full(len(labels), UNKNOWN, np.int64) for name in names}
    for text, label in enumerate(labels):
        for signal in label:
            if isinstance(signal, Signal):
                given[signal.category][text] = _sign(signal)
    return [Question(name, (ABSENT, _BAD, _GOOD), given[name], rare=True) for name in names]


def _sign(signal: Signal) -> int:
    if not signal.score and not signal.tag:
        return 0
    return 1 if signal.score < 0 else 2


QUESTIONS: dict[str, Callable[[Sequence[Label], Sequence[str]], list[Question]]] = {
    "single": _which_label,
    "multi": _which_are_present,
    "signals": _which_sign,
}
"""By task: all texts' labels, and the Dataset's label names, to questions."""


def _answered_label(label: Any, answers: Mapping[str, str], strengths: Mapping[str, float]) -> Label | None:  # noqa: ANN401
    return answers[""]


def _answered_names(label: Any, answers: Mapping[str, str], strengths: Mapping[str, float]) -> Label | None:  # noqa: ANN401
    names = {*label, *(name for name, answer in answers.items() if answer == PRESENT)}
    return tuple(sorted(names - {name for name, answer in answers.items() if answer == ABSENT})) or None


def _answered_signals(label: Any, answers: Mapping[str, str], strengths: Mapping[str, float]) -> Label | None:  # noqa: ANN401
    signals = {signal.category: signal for signal in label}
    for category, answer in answers.items():
        before = signals.get(category, Signal(category, 0.0))
        strength = abs(before.score) or strengths.get(category, 0.5)
        score = 0.0 if answer == ABSENT else -strength if answer == _BAD else strength
        signals[category] = Signal(category, score, before.tag if score else "")
    return tuple(sorted(signals.values()))


ANSWERED: dict[str, Callable[[Any, Mapping[str, str], Mapping[str, float]], Label | None]] = {
    "single": _answered_label,
    "multi": _answered_names,
    "signals": _answered_signals,
}
"""By task: a label, other answers by question, and each category's usual strength, to the label with those answers.

None: no label is left.
"""
