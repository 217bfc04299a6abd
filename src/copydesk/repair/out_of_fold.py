"""What a linear model finds probable about texts that it was not trained on.

The texts are dealt into folds, similar ones into the same; each fold is predicted by a logistic regression trained on
the others. The features know all texts, but no label.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from copydesk.models.cores import allowed_cores
from copydesk.repair.confident import Floats
from copydesk.repair.questions import UNKNOWN, Indices, Question

FOLDS = 5
_STRENGTH = 1.0
"""scikit-learn's C: a tenth of what a model for use has, as it must not learn the errors by heart."""
_MAXIMUM_ITERATIONS = 200
_TOLERANCE = 1e-3
_SOFTEN = 1.0
"""How many texts of each answer are thought to be there besides those that are."""

Matrix = Any
Flags = NDArray[np.bool_]


def deal_folds(groups: Indices, strata: Indices, seed: int) -> Indices:
    """Return each text's fold, 0 to `FOLDS` - 1: whole groups, each stratum spread over all folds."""
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(strata[first[order]], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % FOLDS
    dealt: Indices = fold[member]
    return dealt


def out_of_fold(
    matrix: Matrix, questions: Sequence[Question], folds: Indices, *, balanced: bool, advance: Callable[[int], None]
) -> list[Floats]:
    """Return each question's probabilities, shape (texts, answers), by models that did not see the text.

    With `balanced`, rare answers weigh more. `advance` is told of each model.
    """
    probabilities = [np.zeros((len(folds), len(question.answers))) for question in questions]
    for fold in range(FOLDS):
        inside = folds == fold
        seen, unseen = matrix[~inside], matrix[inside]

        def ask(place: int, inside: Flags = inside, seen: Matrix = seen, unseen: Matrix = unseen) -> None:
            question = questions[place]
            given = question.given[~inside]
            probabilities[place][inside] = _predicted(seen, given, unseen, len(question.answers), balanced)
            advance(1)

        with ThreadPoolExecutor(allowed_cores()) as pool:  # liblinear lets other threads run
            list(pool.map(ask, range(len(questions))))
    return probabilities


def _predicted(seen: Matrix, given: Indices, unseen: Matrix, answers: int, balanced: bool) -> Floats:
    """Fit a model to the texts whose answer is known; return each answer's probability for the others."""
    known = given != UNKNOWN
    seen, given = (seen, given) if known.all() else (seen[known], given[known])
    counts = np.bincount(given, minlength=answers) + _SOFTEN
    result = np.tile(counts / counts.sum(), (unseen.shape[0], 1))
    there = np.unique(given)
    if len(there) < 2 or not unseen.shape[0]:
        return result
    two = len(there) == 2
    regression = LogisticRegression(
        C=_STRENGTH,
        solver="liblinear" if two else "lbfgs",
        dual=two,
        max_iter=_MAXIMUM_ITERATIONS,
        tol=_TOLERANCE,
        random_state=0,
        class_weight="balanced" if balanced else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to rank by
        regression.fit(seen, given)
    share = result[:, there].sum(axis=1, keepdims=True)  # answers that no training text gives keep theirs
    result[:, there] = regression.predict_proba(unseen) * share
    return result
