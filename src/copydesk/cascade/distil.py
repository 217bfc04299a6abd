"""A first stage that learns from the second: its probabilities beside the labels, and texts that nobody labelled.

Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531) with a linear student. Texts without labels that resemble
validation or test texts are left out: what was learnt from them would flatter the cascade.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from copydesk.data.clean import clean_rows
from copydesk.data.dataset import Dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.sources import read_sources
from copydesk.models.base import Model
from copydesk.models.linear import LinearModel
from copydesk.models.targets import training_targets
from copydesk.normalise import steps_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.tasks import Scores, Task
from copydesk.tasks.base import Logits

_MEAN_BEST = 0.7
_TEMPERATURES = (1.0, 1_000.0)
_PRECISION = 1e-3


@dataclass(frozen=True)
class Distilled:
    """The first stage, and what the report tells of it."""

    model: LinearModel
    facts: dict[str, Any]


def distil(recipe: Recipe, dataset: Dataset, task: Task, teacher: Model, *, progress: Progress) -> Distilled:
    """Fit the linear model to labels mixed with the teacher's probabilities, and to texts that it labels.

    `model.distil` in the recipe says how much the teacher counts, and where texts without labels are.
    """
    wanted, targets = recipe.model.distil, training_targets(dataset, task)
    (head,) = targets.heads
    texts = dataset.part("train")[0]
    shares = head.shares(targets.columns.reshape(len(texts), -1))
    more = texts_without_labels(recipe, dataset, progress=progress)
    if more or wanted.weight:
        progress.say(f"asking the {teacher.kind} about {len(texts) + len(more):,} texts for the linear model to learn")
        logits = teacher.logits([*texts, *more])
        said = task.answers(task.scores(logits)).reshape(len(logits), -1)
        labels = np.concatenate([shares, task.heads[0].shares(said)[len(texts) :]])
        shares = ((1 - wanted.weight) * labels + wanted.weight * softened(task, logits)).astype(np.float32)
    progress.say(f"fitting the linear model on {len(shares):,} texts")
    model = LinearModel.fit(
        [*texts, *more],
        shares,
        task,
        heads=(replace(head, soft=head.kind == "softmax"),),
        balanced=recipe.train.class_weights == "balanced",
    )
    facts = {"weight": wanted.weight, "texts_without_labels": len(more), "features": asdict(model.features)}
    return Distilled(model, facts)


def softened(task: Task, logits: Logits) -> Scores:
    """Return the teacher's probabilities, with one temperature for all.

    A softmax is made so soft that its best labels have 0.7 on average: a teacher is all but certain of texts that it
    has learnt, and says nothing of how alike they are. Sigmoids are taken as they are: most labels are absent, and
    none should become half present.
    """
    if task.heads[0].kind != "softmax":
        return task.scores(logits)
    low, high = _TEMPERATURES
    while high / low > 1 + _PRECISION:
        middle = (low * high) ** 0.5
        if task.scores(logits, middle).max(axis=1).mean() > _MEAN_BEST:
            low = middle
        else:
            high = middle
    return task.scores(logits, low)


def texts_without_labels(recipe: Recipe, dataset: Dataset, *, progress: Progress) -> list[str]:
    """Return the recipe's texts without labels, normalised, each once; none that is in the Dataset.

    Near-copies of validation and test texts, from `prepare.split.similarity` on, are left out and counted aloud.
    """
    if not recipe.model.distil.texts:
        return []
    raw = read_sources(recipe.model.distil.texts, progress=progress)
    steps = tuple(dataset.manifest.get("normalise", steps_of(recipe.prepare.normalise)))
    nothing = [""] * raw.frame.height
    rows, _ = clean_rows(raw.frame, recipe.text, nothing, steps=steps, max_chars=recipe.prepare.max_chars)
    known = {text.casefold() for text in dataset.frame["text"]}
    fresh = {row.text.casefold(): row.text for row in rows if row.text.casefold() not in known}
    measured = [*dataset.part("validation")[0], *dataset.part("test")[0]]
    near = find_near_duplicates([*measured, *fresh.values()], recipe.prepare.split.similarity)
    kept = [
        text for text, group in zip(fresh.values(), near.group[len(measured) :], strict=True) if group >= len(measured)
    ]
    progress.say(
        f"{len(kept):,} of {raw.frame.height:,} texts without labels are used; the others are empty, repeated, or like "
        "validation and test texts"
    )
    return kept
