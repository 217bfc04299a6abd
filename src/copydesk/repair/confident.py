"""Confident learning: which given answers contradict what a model that never saw them finds probable.

Northcutt, Jiang & Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels (JAIR 70). An answer's
usual confidence is the mean probability it has where it is given; the confident joint counts texts whose given answer
is i and which are, with at least the confidence usual for j, a j. Two things must speak against a given answer: Bayes'
rule with the joint's rates of confusion, and probabilities relative to each answer's usual confidence. The paper
prunes as many texts as the joint counts off its diagonal; a margin finds more of the errors (docs/LOG.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.repair.questions import Indices, Question

Floats = NDArray[np.float64]

LEAST_MARGIN = 0.2
"""By so much another answer must be more probable than the given one."""
LEAST_RARE_MARGIN = 0.7
"""The same relative to usual confidences, for rare answers: a weak model finds none of them probable anywhere."""
FEWEST_TEXTS = 10
"""An answer that fewer texts give is never suspected: a model cannot know what it looks like."""
_TEMPER = 0.5
"""The rates of confusion come from the probabilities that they are applied to, so their logarithms count half."""
_FLOOR = 1e-6


@dataclass(frozen=True)
class Doubts:
    """By text: how suspect the given answer is, 0 to 1, the most probable other one, and whether it is suspected."""

    suspicion: Floats
    other: Indices
    suspected: NDArray[np.bool_]


def doubts_about(question: Question, probabilities: Floats) -> Doubts:
    """Compare given answers with probabilities of models that did not see them, shape (texts, answers)."""
    texts, known = len(probabilities), np.flatnonzero(question.known)
    doubts = Doubts(np.zeros(texts), np.zeros(texts, np.int64), np.zeros(texts, np.bool_))
    if not len(known):
        return doubts
    given, found = question.given[known], probabilities[known]
    counts = np.bincount(given, minlength=found.shape[1])
    usual = usual_confidence(given, found)
    plain, best = _margins(found, given)
    relative, _ = _margins(_scaled(found / usual), given)
    likely = plain if question.rare else _margins(_by_confusion(given, found), given)[0]
    enough = (plain > LEAST_MARGIN) & (counts[given] >= FEWEST_TEXTS)
    doubts.suspicion[known] = (1 + np.minimum(likely, relative)) / 2
    doubts.other[known] = best
    doubts.suspected[known] = enough & (relative > LEAST_RARE_MARGIN) if question.rare else enough
    return doubts


def _by_confusion(given: Indices, probabilities: Floats) -> Floats:
    """Return the probabilities once it is known what was given: by Bayes' rule with tempered rates of confusion."""
    return _scaled(probabilities * confusion(confident_joint(given, probabilities))[given] ** _TEMPER)


def usual_confidence(given: Indices, probabilities: Floats) -> Floats:
    """Return each answer's mean probability over the texts that give it; 1 for one that none gives."""
    answers = probabilities.shape[1]
    sums = np.bincount(given, probabilities[np.arange(len(given)), given], answers)
    counts = np.bincount(given, minlength=answers)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0) + _FLOOR


def confident_joint(given: Indices, probabilities: Floats) -> Floats:
    """Return the estimated joint distribution of given (rows) and true (columns) answers; it sums to 1."""
    answers = probabilities.shape[1]
    counts = np.bincount(given, minlength=answers)
    confident = probabilities >= usual_confidence(given, probabilities) - 2 * _FLOOR
    true = np.where(confident, probabilities, -1.0).argmax(axis=1)
    some = confident.any(axis=1)
    joint = np.zeros((answers, answers))
    np.add.at(joint, (given[some], true[some]), 1.0)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), counts > 0))
    scaled: Floats = joint * (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    return scaled / len(given)


def confusion(joint: Floats) -> Floats:
    """Return how often each true answer (column) is given as each answer (row); columns sum to 1."""
    rates: Floats = (joint + _FLOOR) / (joint + _FLOOR).sum(axis=0, keepdims=True)
    return rates


def agreed(*opinions: Floats) -> Floats:
    """Return the geometric mean of several models' probabilities: what one of them excludes is excluded."""
    return _scaled(np.exp(np.mean([np.log(np.maximum(opinion, _FLOOR)) for opinion in opinions], axis=0)))


def _scaled(weights: Floats) -> Floats:
    scaled: Floats = weights / weights.sum(axis=1, keepdims=True)
    return scaled


def _margins(probabilities: Floats, given: Indices) -> tuple[Floats, Indices]:
    """Return by how much the most probable other answer exceeds the given one, -1 to 1, and which it is."""
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -1.0
    best = others.argmax(axis=1)
    return others[rows, best] - probabilities[rows, given], best
