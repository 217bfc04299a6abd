"""What is found out about all texts of a Dataset together: near-copies, neighbours, and answers by out-of-fold models.

A linear model over n-grams and the labels of a text's neighbours answer each question; both must agree that a label is
wrong. Of several models tried this pair found most wrong labels on six of seven data sets (docs/LOG.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from copydesk.data.dataset import Dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.models.linear_features import Features
from copydesk.models.linear_matrix import matrix_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.repair.confident import Doubts, Floats, agreed, doubts_about
from copydesk.repair.neighbours import Neighbours, Vectors, nearest, semantic_vectors
from copydesk.repair.out_of_fold import FOLDS, deal_folds, out_of_fold
from copydesk.repair.questions import QUESTIONS, Question
from copydesk.types import Label


@dataclass(frozen=True)
class Opinion:
    """One question's answers by models that did not see the text, shape (texts, answers), and the doubts."""

    question: Question
    probabilities: Floats
    doubts: Doubts


@dataclass(frozen=True)
class Opinions:
    """Every question's, the neighbours of each text, and the pairs of similar texts with their similarity."""

    of: list[Opinion]
    neighbours: Neighbours
    pairs: dict[tuple[int, int], float]


def form_opinions(
    dataset: Dataset,
    texts: Sequence[str],
    labels: Sequence[Label],
    recipe: Recipe,
    *,
    vectors: Vectors | None,
    progress: Progress,
) -> Opinions:
    """Ask every question about every text. `vectors` are an encoder's; without them texts are compared by n-grams."""
    progress.say(f"comparing {len(texts):,} texts")
    near = find_near_duplicates(texts, min(recipe.prepare.split.similarity, recipe.prepare.near_threshold))
    matrix, _, _ = matrix_of(Features(), texts)
    seed = recipe.train.seed
    neighbours = nearest(semantic_vectors(matrix, seed) if vectors is None else vectors, near.group, seed)
    questions = QUESTIONS[dataset.task](labels, dataset.labels)
    kinds: dict[Label, int] = {}
    strata = np.array([kinds.setdefault(label, len(kinds)) for label in labels], np.int64)
    with progress.track("asking models", len(questions) * FOLDS, "fits") as advance:
        found = out_of_fold(
            matrix,
            questions,
            deal_folds(near.group, strata, seed),
            balanced=recipe.train.class_weights == "balanced",
            advance=advance,
        )
    opinions = []
    for question, probabilities in zip(questions, found, strict=True):
        both = agreed(probabilities, neighbours.votes(question))
        opinions.append(Opinion(question, both, doubts_about(question, both)))
    return Opinions(opinions, neighbours, near.pairs)
