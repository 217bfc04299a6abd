from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from copydesk.labelling.load import Functions
from copydesk.labelling.voters import Batch, Faults, Vote
from copydesk.labelling.votes import collect_votes
from copydesk.models.keyword_file import Vocabulary
from copydesk.recipe import parse_recipe
from fakes import Listener


class FirstWord:
    """Votes for the label that a text begins with, the later texts first."""

    def __init__(self) -> None:
        self.names, self.columns, self.faults = ["first"], set[str](), {"first": Faults(failures=1)}
        self.seen: list[Batch] = []

    def votes(self, batch: Batch) -> Iterator[Vote]:
        self.seen.append(batch)
        for place, text in reversed(list(enumerate(batch.texts))):
            if text.startswith(("x", "y")):
                yield Vote(place, "first", text[0])


def _collected(texts: list[str], voter: FirstWord) -> list[tuple[int, str]]:
    functions = Functions([voter], voter.names, Vocabulary("single", ["x", "y"]))
    votes = collect_votes(pl.DataFrame({"text": texts}), parse_recipe({"name": "toy"}), functions, Listener())
    assert (votes.texts, votes.functions, votes.labels) == (len(texts), ("first",), ("x", "y"))
    assert votes.faults["first"].failures == 1
    return list(votes.table.select("text", pl.col("label").cast(pl.String)).iter_rows())


def test_votes_are_in_the_order_of_the_texts() -> None:
    assert _collected(["x a", "b", "y c"], FirstWord()) == [(0, "x"), (2, "y")]


def test_texts_are_normalised_as_for_a_model() -> None:
    voter = FirstWord()
    assert _collected(["  x &amp; b"], voter) == [(0, "x")]
    assert voter.seen[0].texts == ["x & b"]


def test_a_missing_text_is_empty() -> None:
    table = pl.DataFrame({"text": [None, "x"]})
    voter = FirstWord()
    functions = Functions([voter], voter.names, Vocabulary("single", ["x", "y"]))
    votes = collect_votes(table, parse_recipe({"name": "toy"}), functions, Listener())
    assert votes.table["text"].to_list() == [1]


def test_a_part_of_the_votes_counts_its_texts_anew() -> None:
    functions = Functions([FirstWord()], ["first"], Vocabulary("single", ["x", "y"]))
    rows = pl.DataFrame({"text": ["x", "b", "y", "x"]})
    votes = collect_votes(rows, parse_recipe({"name": "toy"}), functions, Listener())
    assert votes.part(2, 4)["text"].to_list() == [0, 1]
    assert votes.part(1, 2).is_empty()
