"""What a prediction looks like: how labels are encoded, scores decoded, and quality measured.

Nothing else in the code asks which task it is. Everything here is numpy on arrays; it does not know what a text or a
model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import DataError
from copydesk.types import Prediction

Scores = NDArray[np.float64]
Targets = NDArray[np.int64]


class Task(Protocol):
    """What every task knows. `labels` are in the order of the columns of logits and scores."""

    @property
    def name(self) -> str:
        """The task's name in the recipe."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of the columns."""
        ...

    def encode(self, labels: Sequence[str]) -> Targets:
        """Return training targets, one row per text. Raises `DataError` for a label the task does not have."""
        ...

    def scores(self, logits: NDArray[np.floating], temperature: float = 1.0) -> Scores:
        """Turn raw model outputs, shape (n, labels), into probabilities, divided by the calibration temperature."""
        ...

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Turn probabilities into answers."""
        ...

    def loss(self, logits: NDArray[np.floating], targets: Targets, temperature: float = 1.0) -> float:
        """Return the mean training loss, natural logarithm."""
        ...


@dataclass(frozen=True)
class SingleTask:
    """One of K labels, binary included."""

    labels: tuple[str, ...]
    name: str = "single"

    def encode(self, labels: Sequence[str]) -> Targets:
        """Return the label indices, shape (n,). Raises `DataError` for an unknown label."""
        index = {label: position for position, label in enumerate(self.labels)}
        unknown = sorted({label for label in labels if label not in index})
        if unknown:
            raise DataError(f"Label {unknown[0]!r} is not one of the model's: {', '.join(self.labels)}.")
        return np.fromiter((index[label] for label in labels), np.int64, len(labels))

    def scores(self, logits: NDArray[np.floating], temperature: float = 1.0) -> Scores:
        """Return softmax(logits / temperature), shape (n, labels); every row sums to 1."""
        scaled = logits.astype(np.float64) / temperature
        scaled -= scaled.max(axis=1, keepdims=True, initial=-np.inf)
        exponents: Scores = np.exp(scaled)
        probabilities: Scores = exponents / exponents.sum(axis=1, keepdims=True)
        return probabilities

    def decode(self, scores: Scores, *, all_scores: bool = False) -> list[Prediction]:
        """Return the most probable label of each row; ties go to the label that comes first."""
        best = scores.argmax(axis=1)
        return [
            Prediction(
                label=self.labels[choice],
                score=float(row[choice]),
                scores=dict(zip(self.labels, row.tolist(), strict=True)) if all_scores else None,
            )
            for choice, row in zip(best, scores, strict=True)
        ]

    def loss(self, logits: NDArray[np.floating], targets: Targets, temperature: float = 1.0) -> float:
        """Return the mean cross-entropy in nats."""
        chosen = self.scores(logits, temperature)[np.arange(len(targets)), targets]
        return float(-np.log(np.maximum(chosen, 1e-300)).mean())


TASKS = {"single": SingleTask}


def make_task(name: str, labels: Sequence[str]) -> Task:
    """Return the named task over these labels."""
    return TASKS[name](tuple(labels))
