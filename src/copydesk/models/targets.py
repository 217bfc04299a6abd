"""What a model is trained towards: the training part's labels, or where the Dataset has them, their probabilities.

Validation and test always go by the labels: nobody asks a classifier for a distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from copydesk.data.dataset import Dataset
from copydesk.tasks import Head, Targets, Task


@dataclass(frozen=True)
class TrainingTargets:
    """One row of targets per training text, the heads that say how they are to be read, and how many are soft."""

    columns: Targets
    heads: tuple[Head, ...]
    soft_texts: int = 0

    def facts(self) -> dict[str, int]:
        """Return what the report should tell."""
        return {"soft_texts": self.soft_texts} if self.soft_texts else {}


def training_targets(dataset: Dataset, task: Task, *, soft: bool = True) -> TrainingTargets:
    """Return the training part's targets; a text without probabilities has its label's, which are 0 and 1.

    Without `soft` no probability counts.
    """
    hard, given = task.encode(dataset.part("train")[1]), dataset.probabilities("train") if soft else None
    if given is None or np.isnan(given).all():
        return TrainingTargets(hard, task.heads)
    (head,) = task.heads
    known = ~np.isnan(given)
    shares = np.where(known, given, head.shares(hard.reshape(len(hard), -1)))
    heads = (replace(head, soft=head.kind == "softmax"),)
    return TrainingTargets(shares, heads, int(known.any(axis=1).sum()))
