"""Votes to probabilities by counting: every vote weighs the same.

Where labels exclude each other a label's probability is its share of the text's votes. Where each label is a question
of its own, it is the share of yes among the votes on that label: who abstains says neither, but a label on which
everybody abstains is absent from a text that somebody labelled, as in distant supervision (Mintz et al. 2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Majority:
    """The counting of votes over so many labels."""

    labels: int
    exclusive: bool

    def probabilities(self, votes: pl.DataFrame, texts: int) -> Probabilities:
        """Return each label's probability, shape (texts, labels); 0 everywhere for a text without votes."""
        places = votes["text"].to_numpy() * np.int64(self.labels) + votes["label"].to_physical().to_numpy()
        size = texts * self.labels
        yes = np.bincount(places, weights=votes["yes"].to_numpy(), minlength=size).reshape(texts, self.labels)
        every = np.bincount(places, minlength=size).reshape(texts, self.labels)
        if self.exclusive:
            every = every.sum(axis=1, keepdims=True)
        shares: Probabilities = yes / np.maximum(every, 1)
        return shares
