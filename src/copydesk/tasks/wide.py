"""Two models' label sets as one, so that their answers to the same texts can be compared.

Outputs are matched by name, whatever their order. A label that a model does not have is one that it never gives, as
its users see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from copydesk.tasks import make_task
from copydesk.tasks.base import Scores, Task

_NEVER = 1.0
"""The threshold of a label that a model does not have."""


def union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the names of both, in the order of the first, then of the second."""
    return tuple(dict.fromkeys([*first, *second]))


def tags_of_both(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the tags of both models' categories."""
    return {name: union(first.get(name, ()), second.get(name, ())) for name in union(tuple(first), tuple(second))}


def widened(task: Task, labels: Sequence[str], categories: Mapping[str, Sequence[str]]) -> Task:
    """Return the task over more labels, with its own thresholds; `categories` are every category's tags."""
    thresholds = task.decision.thresholds
    if thresholds:
        own = dict(zip(task.labels, thresholds, strict=True))
        thresholds = tuple(own.get(label, _NEVER) for label in labels)
    return make_task(task.name, labels, decision=replace(task.decision, thresholds=thresholds), categories=categories)


def widened_scores(task: Task, scores: Scores, wide: Task) -> Scores:
    """Return a task's scores in the columns of the wide one, shape (n, wide.outputs)."""
    places = {name: place for place, name in enumerate(task.output_names)}
    columns = [
        scores[:, places[name]] if name in places else np.full(len(scores), absent)
        for name, absent in zip(wide.output_names, wide.when_absent, strict=True)
    ]
    return np.stack(columns, axis=1)
