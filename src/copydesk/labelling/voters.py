"""How labelling functions are asked, and what they answer.

A function says of a text that it has a label or (tasks `multi` and `signals`) that it has not; where it says nothing it
abstains. It does not know where functions come from, nor what votes are worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import polars as pl

from copydesk.normalise import COLUMN_SEPARATOR


class Vote(NamedTuple):
    """What one function says of one text: the text by its place in the batch, the function by its name.

    `score` and `tag` are for task `signals`; without a score (None) there is only the presence.
    """

    text: int
    function: str
    label: str
    yes: bool = True
    score: float | None = None
    tag: str = ""


@dataclass(frozen=True)
class Batch:
    """Some rows: their texts as a model reads them, and their columns as the file holds them."""

    texts: Sequence[str]
    rows: pl.DataFrame

    @cached_property
    def lines(self) -> list[str]:
        """The texts, with line breaks between their columns."""
        return [text.replace(COLUMN_SEPARATOR, "\n") for text in self.texts]

    def searched(self, column: str | None) -> list[str]:
        """Return the texts, or what another column holds; what is missing there is empty."""
        if column is None:
            return self.lines
        return ["" if value is None else str(value) for value in self.rows[column].to_list()]


@dataclass
class Faults:
    """How often a function failed or took too long, and its first failure; `given_up`: it is not asked any more."""

    failures: int = 0
    time_outs: int = 0
    first: str = ""
    given_up: bool = False


class Voter(Protocol):
    """One function, or several that look at texts together."""

    @property
    def names(self) -> Sequence[str]:
        """The functions' names."""
        ...

    @property
    def columns(self) -> set[str]:
        """The columns it looks at, beside the texts."""
        ...

    @property
    def faults(self) -> Mapping[str, Faults]:
        """What went wrong so far, by function."""
        ...

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield what the functions say of a batch's texts; at most one vote for each function, text and label."""
        ...
