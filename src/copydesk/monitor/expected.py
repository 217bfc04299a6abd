"""How many answers are right by their own confidence, where nobody has said so.

Confidence is a promise that the model was held to on held-out texts. It holds for texts of the same kind in another
mixture. It does not see that the right answers have changed (what was news is advertising now), and of texts of a
foreign kind a model is often as sure, and wrong: where detectors alarm, the expectation says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from copydesk.monitor.reference import Reference


@dataclass(frozen=True)
class Expected:
    """The share of right answers to expect of `n`, those of a version, and of a label given if it names one.

    `low` and `high` allow for chance alone: 95 % if the texts are of the reference's kind. `confidence` is the mean as
    it was logged.
    """

    version: str
    label: str
    n: int
    confidence: float
    share: float
    low: float
    high: float


def expected_accuracy(rows: pl.LazyFrame, reference: Reference) -> list[Expected]:
    """Return what to expect of each version, the most frequent first, then of each label that it gave."""
    raise NotImplementedError
