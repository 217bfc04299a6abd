"""What every task knows, and how its outputs are made of heads.

A head is a run of output columns that belong together: a softmax over exclusive labels, sigmoids of independent ones,
or a score squeezed by tanh. Losses (here and for training) and the linear model are written once, by head.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import UsageError
from copydesk.metrics.base import Measured
from copydesk.metrics.tally import Tallies
from copydesk.tasks.columns import Column
from copydesk.types import Decision, Label, Prediction

Scores = NDArray[np.float64]
Targets = NDArray[Any]
Logits = NDArray[np.floating]


@dataclass(frozen=True)
class Head:
    """Output columns `start` to `stop` (exclusive) and the target columns they answer, from `target` on.

    `softmax` answers one target column that holds an index, or if it is `soft`, a column of probabilities for each of
    its outputs; `sigmoid` a column of 0 and 1, or of probabilities, for each; `tanh` one column with a number from -1
    to 1. A NaN target is unknown and does not count. `weight` is the head's share of the loss.
    """

    kind: Literal["softmax", "sigmoid", "tanh"]
    start: int
    stop: int
    target: int = 0
    weight: float = 1.0
    soft: bool = False

    @property
    def size(self) -> int:
        """The number of outputs."""
        return self.stop - self.start

    @property
    def columns(self) -> slice:
        """The target columns that it answers."""
        return slice(self.target, self.target + (self.size if self.kind == "sigmoid" or self.soft else 1))

    def shares(self, targets: Targets) -> NDArray[np.float32]:
        """Return how much of each text belongs to each output, shape (n, size), from targets of two dimensions."""
        wanted = targets[:, self.columns].astype(np.float32)
        if self.kind == "sigmoid" or self.soft:
            return wanted
        places = np.arange(self.size, dtype=np.float32)
        return np.where(np.isnan(wanted), wanted, (wanted == places).astype(np.float32))

    def counts(self, targets: Targets) -> NDArray[np.float64]:
        """Return how many texts belong to each output; of a text that belongs to it in part, that part counts."""
        wanted = targets[:, self.columns]
        if self.kind == "sigmoid" or self.soft:
            counts: NDArray[np.float64] = wanted.sum(axis=0, dtype=np.float64)
            return counts
        return np.bincount(wanted[:, 0].astype(np.int64), minlength=self.size).astype(np.float64)


@dataclass(frozen=True)
class Margin:
    """What a decision about one label hangs on: its output, less that of a rival where labels exclude each other.

    `column` and `rival_column` are output columns.
    """

    label: str
    column: int
    rival: str = ""
    rival_column: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What an answer must say of one label: that it is given, or is not; of a signal also its sign and its tag.

    `sign` is 1 or -1 and 0 for any; `tag` is empty for any.
    """

    label: str
    given: bool = True
    sign: int = 0
    tag: str = ""


class Task(Protocol):
    """What every task knows."""

    @property
    def name(self) -> str:
        """The task's name in the recipe."""
        ...

    @property
    def field(self) -> str:
        """The field of a `Prediction` that holds the answer."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names (`signals`: the categories) in the order of the outputs."""
        ...

    @property
    def decision(self) -> Decision:
        """How scores become answers."""
        ...

    @property
    def heads(self) -> tuple[Head, ...]:
        """What the outputs are made of."""
        ...

    @property
    def outputs(self) -> int:
        """The number of output columns."""
        ...

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each output column is about: names that two tasks have in common mean the same."""
        ...

    @property
    def when_absent(self) -> tuple[float, ...]:
        """Each output's score in a text that has none of the labels."""
        ...

    @property
    def headline(self) -> str:
        """The metric that models are compared by; higher is better."""
        ...

    def encode(self, labels: Sequence[Label]) -> Targets:
        """Return training targets, one row per text. Raises `DataError` for a label the task does not have."""
        ...

    def scores(self, logits: Logits, temperature: float = 1.0) -> Scores:
        """Turn raw outputs, shape (n, outputs), into probabilities (or scores), softened by the temperature."""
        ...

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Turn scores into answers."""
        ...

    def columns(self, scores: Scores, *, all_scores: bool = False) -> dict[str, Column]:
        """Turn scores into the same answers as columns, named as the fields of a `Prediction`.

        `abstained` is among them where the decision may abstain.
        """
        ...

    def margins(self, scores: Scores, label: str | None = None) -> list[Margin]:
        """Return what one text's answer hung on, from its scores, shape (outputs,), or what this one label hangs on.

        Raises `UsageError` for an unknown label.
        """
        ...

    def decided(self, scores: Scores, targets: Targets) -> Task:
        """Return the task with thresholds tuned on these validation scores, where the task has thresholds."""
        ...

    def with_thresholds(self, thresholds: Mapping[str, float] | float) -> Task:
        """Return the task with other thresholds, by label or one for all. Raises `UsageError` if it has none."""
        ...

    def quality(self, scores: Scores, targets: Targets) -> float:
        """Return the headline metric, cheaply: what training watches on the validation part."""
        ...

    def measure(self, targets: Targets, scores: Scores) -> Measured:
        """Return every metric with its interval, the labels' quality, calibration and confusions."""
        ...

    def tallies(self, targets: Targets, scores: Scores) -> Tallies:
        """Return what the answers add to each metric, text by text: by these two models are compared."""
        ...

    def answers(self, scores: Scores) -> Targets:
        """Return the answers in the form of targets."""
        ...

    def right(self, targets: Targets, scores: Scores) -> NDArray[np.bool_]:
        """Tell for each text whether its answer is wholly right."""
        ...

    def confidence(self, scores: Scores) -> Scores:
        """Return how probable it is, by the scores, that each text's answer is wholly right, shape (n,)."""
        ...

    def surprise(self, targets: Targets, scores: Scores) -> Scores:
        """Return how surely each text's answer contradicts its label, 0 to 1 (signals: to 2)."""
        ...

    def shortfall(self, scores: Scores, wanted: Wanted) -> Scores:
        """Return how far each text's answer is from what is wanted: exactly 0 where it says so.

        Raises `UsageError` for an unknown label, and for a sign or tag where answers have none.
        """
        ...

    def moved(self, before: Scores, after: Scores) -> Scores:
        """Return how far the answer to each row of `before` is from that to the same row of `after`: 0 if the same."""
        ...

    def describe(self, target: NDArray[Any]) -> str:
        """Return one text's label, or answer, in words."""
        ...


def place_of(label: str, labels: Sequence[str]) -> int:
    """Return a label's number. Raises `UsageError` if there is none of this name."""
    if label not in labels:
        near = difflib.get_close_matches(label, labels, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"Label {label!r} is not one of the model's: {', '.join(labels[:30])}.{hint}")
    return labels.index(label)


LEAST_DISTANCE = 1e-9
"""What stands for the distance between two different answers whose scores are equal."""


def require_plain(wanted: Wanted) -> None:
    """Raise `UsageError` if a sign or a tag is wanted."""
    if wanted.sign or wanted.tag:
        raise UsageError(f"{wanted.label!r} is wanted with a sign or a tag: these are for task 'signals'.")


def distance_where(wrong: NDArray[np.bool_], distance: Scores) -> Scores:
    """Return the distances where something is wrong, never 0 there, and 0 elsewhere."""
    result: Scores = np.where(wrong, np.maximum(distance, LEAST_DISTANCE), 0.0)
    return result


def preference(quality: float, loss: float) -> float:
    """Return what trained weights are chosen by: the headline metric; of equal ones the lower loss is better."""
    return quality - 1e-6 * min(loss, 10.0)  # less than one text more or less changes any metric


def heads_loss(heads: Sequence[Head], logits: Logits, targets: Targets, temperature: float = 1.0) -> float:
    """Return the weighted sum of the heads' mean losses in nats (tanh: mean squared error), for hard targets."""
    columns = targets.reshape(len(targets), -1)
    return sum(head.weight * _head_loss(head, logits, columns, temperature) for head in heads)


def _head_loss(head: Head, logits: Logits, columns: Targets, temperature: float) -> float:
    outputs = logits[:, head.start : head.stop].astype(np.float64)
    wanted = columns[:, head.columns]
    known = ~np.isnan(wanted.astype(np.float64)).any(axis=1)
    outputs, wanted = outputs[known], wanted[known]
    if not len(outputs):
        return 0.0
    if head.kind == "tanh":
        return float(((np.tanh(outputs) - wanted) ** 2).mean())
    if head.kind == "sigmoid":
        scaled = outputs / temperature
        return float((np.logaddexp(0, scaled) - wanted * scaled).mean())
    chosen = softmax(outputs / temperature)[np.arange(len(wanted)), wanted[:, 0].astype(np.int64)]
    return float(-np.log(np.maximum(chosen, 1e-300)).mean())


def softmax(logits: Logits) -> Scores:
    """Return softmax over the last axis; every row sums to 1."""
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(axis=-1, keepdims=True, initial=-np.inf)
    exponents: Scores = np.exp(scaled)
    probabilities: Scores = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: Logits) -> Scores:
    """Return 1 / (1 + e^-x), without overflow."""
    result: Scores = 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))
    return result
