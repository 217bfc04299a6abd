"""Votes to probabilities by what functions turn out to be worth, without any label that people gave.

The model is that of Dawid & Skene (1979): a text has a true label, and each function answers by a probability that
depends on it; expectation and maximisation by turns find both. What is different here, since rules are no annotators:

- To abstain is an answer. A rule that can only say `sport` would otherwise tell nothing: whatever the truth, it says
  `sport` whenever it says anything.
- Where labels exclude each other (`single`) abstaining is not taken as evidence, and labels are equally probable
  beforehand: how often rules abstain, and for which label, tells how many words somebody wrote, not how texts are.
  Where each label is a question of its own (`multi`, `signals`) it is the only evidence that a label is absent.
- Every function is believed beforehand to be right in 70 % of its votes, as firmly as if that had been seen on 30 %
  of a label's texts (maximum a posteriori). Rules share words, so they agree for other reasons than being right.

The choices were measured (docs/LOG.md). It does not know that functions copy each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.labelling.majority import Majority, Probabilities
from copydesk.labelling.votes import Votes
from copydesk.tasks.base import softmax

RIGHT, FIRMNESS = 0.7, 0.3
_MOST_ROUNDS, _STILL = 50, 1e-4
_LEAST, _MOST = 1e-6, 0.95
"""Between these lies the probability of any answer."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """The different sets of answers that texts got: set i was given to `texts[i]` texts.

    An entry of `sets` and `opinions` says that this opinion is in this set. Opinion i is of function `owners[i]`, and
    `says[i]` is the class it speaks for.
    """

    sets: Places
    opinions: Places
    texts: Floats
    owners: Places
    says: Places


@dataclass(frozen=True)
class Worth:
    """What answers are worth: the logarithms of the classes' probabilities beforehand, and of opinions given classes.

    Shapes (classes,) and (opinions, classes). A text's class has the probability softmax(base + sum of its opinions).
    """

    base: Floats
    opinions: Floats


class DawidSkene:
    """What the functions of a table of votes are worth, for turning these votes into probabilities."""

    def __init__(self, votes: Votes, *, exclusive: bool, labels: Sequence[int] | None = None) -> None:
        """Find out; where labels are questions of their own only for some `labels`, the others are counted."""
        self._labels, self._exclusive = len(votes.labels), exclusive
        self._counted = Majority(self._labels, exclusive)
        table = _coded(votes.table, self._labels)
        covered = table["text"].n_unique()
        asked = range(self._labels) if labels is None else labels
        questions = {0: table} if exclusive else {label: table.filter(pl.col("label") == label) for label in asked}
        self._worths = {
            label: _fitted(question, covered, self._labels if exclusive else None)
            for label, question in questions.items()
            if question.height
        }

    def probabilities(self, votes: pl.DataFrame, texts: int) -> Probabilities:
        """Return each label's probability, shape (texts, labels); 0 everywhere for a text without votes."""
        result = self._counted.probabilities(votes, texts)
        table = _coded(votes, self._labels)
        covered = np.zeros((texts, 1))
        covered[table["text"].to_numpy()] = 1
        for label, (codes, worth) in self._worths.items():
            question = table if self._exclusive else table.filter(pl.col("label") == label)
            opinions = np.searchsorted(codes, question["code"].to_numpy())
            evidence = _summed(question["text"].to_numpy(), worth.opinions[opinions], texts)
            found = softmax(worth.base + evidence) * covered
            if self._exclusive:
                return found
            result[:, label] = found[:, 1]
        return result


def _coded(table: pl.DataFrame, labels: int) -> pl.DataFrame:
    """Return the votes with numbers for text, function and label, and a code for what the function says."""
    function, label = (pl.col(name).to_physical().cast(pl.Int64) for name in ("function", "label"))
    code = (function * labels + label) * 2 + pl.col("yes").cast(pl.Int64)
    return table.select(
        pl.col("text").cast(pl.Int64), function.alias("function"), label.alias("label"), "yes", code.alias("code")
    )


def _fitted(votes: pl.DataFrame, texts: int, classes: int | None) -> tuple[Places, Worth]:
    """Return the codes of all opinions in order, and what each is worth.

    `texts` is how many somebody labelled; `classes` is None where the votes are yes and no on one label.
    """
    opinions = votes.unique("code").sort("code")
    codes = opinions["code"].to_numpy()
    sets = (
        votes.select("text", pl.Series("opinion", np.searchsorted(codes, votes["code"].to_numpy())))
        .group_by("text")
        .agg(pl.col("opinion").sort())
        .group_by("opinion")
        .agg(pl.len().alias("texts"))
        .sort("texts", "opinion")
    )
    entries = sets.with_row_index("set").explode("opinion")
    silent = 0 if classes else texts - votes["text"].n_unique()  # texts that have no vote on this label
    answers = Answers(
        sets=entries["set"].to_numpy().astype(np.int64),
        opinions=entries["opinion"].to_numpy(),
        texts=np.append(sets["texts"].to_numpy(), [silent] if silent else []).astype(np.float64),
        owners=np.unique(opinions["function"].to_numpy(), return_inverse=True)[1],
        says=(opinions["label"] if classes else opinions["yes"].cast(pl.Int64)).to_numpy(),
    )
    start = _summed(answers.sets, np.eye(classes or 2)[answers.says[answers.opinions]], len(answers.texts))
    if silent:
        start[-1, 0] = 1
    start /= start.sum(axis=1, keepdims=True)
    if classes:
        return codes, worth_of(answers, start, np.full(classes, 1 / classes), silence=False)
    share = float(np.clip(np.average(start[:, 1], weights=answers.texts), _LEAST, 1 - _LEAST))
    return codes, worth_of(answers, start, np.array([1 - share, share]), silence=True)


def worth_of(answers: Answers, start: Floats, prior: Floats, *, silence: bool) -> Worth:
    """Return what opinions are worth, found by expectation and maximisation.

    `start` is a first guess of each set's class, shape (sets, classes); `prior` the classes' probabilities, which stay.
    `silence` says whether to abstain is evidence.
    """
    guess = start
    for _ in range(_MOST_ROUNDS):
        worth = _maximised(answers, guess, prior, silence)
        before, guess = guess, _expected(answers, worth)
        if np.average(np.abs(guess - before).sum(axis=1), weights=answers.texts) < _STILL:
            break
    return worth


def _maximised(answers: Answers, guess: Floats, prior: Floats, silence: bool) -> Worth:
    """Return the most probable worth of the opinions if the sets have these classes."""
    classes, total = len(prior), answers.texts.sum()
    weighted = guess * answers.texts[:, None]
    counts = _summed(answers.opinions, weighted[answers.sets], len(answers.says))
    right = np.where(answers.says[:, None] == np.arange(classes), RIGHT, (1 - RIGHT) / max(classes - 1, 1))
    believed = np.clip(counts.sum(axis=1, keepdims=True) / total * right / prior, _LEAST, _MOST)
    firmness = FIRMNESS * total * np.minimum(prior, 0.5)
    given = np.clip((counts + firmness * believed) / (weighted.sum(axis=0) + firmness), _LEAST, _MOST)
    base = np.log(prior)
    if not silence:
        return Worth(base, np.log(given))
    silent = np.log(np.maximum(1 - _summed(answers.owners, given, int(answers.owners.max()) + 1), 1 - _MOST))
    return Worth(base + silent.sum(axis=0), np.log(given) - silent[answers.owners])


def _expected(answers: Answers, worth: Worth) -> Floats:
    return softmax(worth.base + _summed(answers.sets, worth.opinions[answers.opinions], len(answers.texts)))


def _summed(places: Places, rows: Floats, size: int) -> Floats:
    """Return the sums of the rows with the same place, shape (size, columns)."""
    return np.stack([np.bincount(places, weights=column, minlength=size) for column in rows.T], axis=1)
