"""Confident learning: which given answers contradict what a model that never saw them finds probable.

Northcutt, Jiang & Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels (JAIR 70). The confident
joint counts texts whose given answer is i and which are, with at least the confidence usual for j, a j. From it comes
how often a true j is labelled i; Bayes' rule with that rate is what ranks. The paper prunes as many texts as the joint
counts off its diagonal; a difference of probabilities found more of the errors at the same precision (docs/LOG.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.repair.questions import Indices, Question

Floats = NDArray[np.float64]

LEAST_MARGIN = 0.2
"""Another answer must be more probable than the given one by this much."""
FEWEST_TEXTS = 10
"""An answer that fewer texts give is never doubted: too few to know what it looks like."""
_TEMPER = 0.5
"""The noise rates come from the same probabilities that they are applied to, so they count half (as logarithms)."""
_FLOOR = 1e-6


@dataclass(frozen=True)
class Doubts:
    """By text: how suspect the given answer is, 0 to 1, the most probable other answer, and whether it is suspected.

    `errors` is how many wrong answers the confident joint estimates.
    """

    suspicion: Floats
    other: Indices
    suspected: NDArray[np.bool_]
    errors: float


def doubts_about(question: Question, probabilities: Floats) -> Doubts:
    """Compare given answers with out-of-sample probabilities, shape (texts, answers), whose rows sum to 1."""
    texts, known = len(probabilities), np.flatnonzero(question.known)
    suspicion, other = np.zeros(texts), np.zeros(texts, np.int64)
    suspected = np.zeros(texts, np.bool_)
    if not len(known):
        return Doubts(suspicion, other, suspected, 0.0)
    given, found = question.given[known], probabilities[known]
    joint = confident_joint(given, found)
    likely = found * label_rates(joint)[given] ** _TEMPER
    likely /= likely.sum(axis=1, keepdims=True)
    margin, best = _margins(likely, given)
    suspicion[known], other[known] = (1 + margin) / 2, best
    counts = np.bincount(given, minlength=found.shape[1])
    suspected[known] = (_margins(found, given)[0] > LEAST_MARGIN) & (counts[given] >= FEWEST_TEXTS)
    return Doubts(suspicion, other, suspected, float(len(known) * (1 - np.trace(joint))))


def confident_joint(given: Indices, probabilities: Floats) -> Floats:
    """Return the estimated joint distribution of given (rows) and true (columns) answers; it sums to 1."""
    answers = probabilities.shape[1]
    counts = np.bincount(given, minlength=answers)
    usual = np.array(
        [probabilities[given == place, place].mean() if counts[place] else np.inf for place in range(answers)]
    )
    confident = probabilities >= usual - _FLOOR
    true = np.where(confident, probabilities, -1.0).argmax(axis=1)
    some = confident.any(axis=1)
    joint = np.zeros((answers, answers))
    np.add.at(joint, (given[some], true[some]), 1.0)
    joint[np.arange(answers), np.arange(answers)] += counts > joint.sum(axis=1)  # an answer never confident counts once
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    return joint / len(given)


def label_rates(joint: Floats) -> Floats:
    """Return how often a true answer (column) is given as each answer (row); columns sum to 1."""
    rates: Floats = (joint + _FLOOR) / (joint + _FLOOR).sum(axis=0, keepdims=True)
    return rates


def _margins(probabilities: Floats, given: Indices) -> tuple[Floats, Indices]:
    """Return by how much the most probable other answer exceeds the given one, -1 to 1, and which it is."""
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -1.0
    best = others.argmax(axis=1)
    return others[rows, best] - probabilities[rows, given], best


def agreed(*opinions: Floats) -> Floats:
    """Return the geometric mean of several models' probabilities: a label must please them all."""
    together: Floats = np.exp(np.mean([np.log(np.maximum(opinion, _FLOOR)) for opinion in opinions], axis=0))
    return together / together.sum(axis=1, keepdims=True)
