"""Which way votes become probabilities: the recipe's, or the one that its functions are fit for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import polars as pl

from copydesk.data.label_kinds import counted
from copydesk.labelling.dawid_skene import DawidSkene
from copydesk.labelling.majority import Majority, Probabilities
from copydesk.labelling.votes import Votes
from copydesk.recipe import Recipe

ENOUGH = 3
"""From so many functions for a label on it is worth finding out what they are worth (docs/label.md)."""


class VoteModel(Protocol):
    """What makes probabilities of votes."""

    def probabilities(self, votes: pl.DataFrame, texts: int) -> Probabilities:
        """Return each label's probability, shape (texts, labels); 0 everywhere for a text without votes."""
        ...


@dataclass(frozen=True)
class Settled:
    """The way that was chosen: its name in the recipe, why, and what does it."""

    name: str
    why: str
    model: VoteModel


def settle(votes: Votes, recipe: Recipe) -> Settled:
    """Return the recipe's way, or for `auto` Dawid and Skene's for labels that three functions or more vote for.

    Where labels exclude each other all labels must have as many.
    """
    exclusive, wanted = recipe.task == "single", recipe.weak.votes
    majority = Majority(len(votes.labels), exclusive)
    if wanted == "majority":
        return Settled("majority", "the recipe says so", majority)
    if wanted == "dawid_skene":
        return Settled(wanted, "the recipe says so", DawidSkene(votes, exclusive=exclusive))
    number = pl.col("label").to_physical()
    functions = dict(votes.table.group_by(number).agg(pl.col("function").n_unique()).sort("label").iter_rows())
    enough = [label for label, count in functions.items() if count >= ENOUGH]
    if not enough or (exclusive and len(enough) < len(functions)):
        few = min(functions, key=lambda label: functions[label])
        there = counted(functions[few], "function", "functions")
        return Settled("majority", f"{votes.labels[few]!r} has {there} to vote for it, fewer than {ENOUGH}", majority)
    every = "every label has" if len(enough) == len(functions) else f"{len(enough)} of {len(functions)} labels have"
    why = f"{every} {ENOUGH} functions or more that vote for it"
    return Settled("dawid_skene", why, DawidSkene(votes, exclusive=exclusive, labels=enough))
