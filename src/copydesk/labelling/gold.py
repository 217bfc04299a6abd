"""Labels that people gave: what votes and weak labels are measured by."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from copydesk.data.labels import LABELS, read_labels
from copydesk.recipe import Recipe

_PAIR = {"text": pl.UInt32(), "label": pl.String(), "there": pl.Boolean()}


@dataclass(frozen=True)
class Gold:
    """Which texts have which labels, by people: rows of `text`, `label` and whether it is `there`.

    What a label does not name is absent from its text, unless it is `open` (task `signals`): then it is unknown.
    """

    pairs: pl.DataFrame
    open: bool

    @classmethod
    def read(cls, rows: pl.DataFrame, column: str, recipe: Recipe) -> Gold:
        """Read a column of labels as the task's are read. Raises `DataError` naming the row."""
        kind = LABELS[recipe.task]
        labels = read_labels(rows, recipe.model_copy(update={"label": column})).values
        pairs = [
            (text, name, name in present)
            for text, label in enumerate(labels)
            if label is not None
            for present in [set(kind.present(label))]
            for name in kind.known(label)
        ]
        return cls(pl.DataFrame(pairs, _PAIR, orient="row"), recipe.task == "signals")

    @property
    def labels(self) -> list[str]:
        """The labels that people gave."""
        return self.pairs["label"].unique().sort().to_list()

    def judged(self, said: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of `text` and `label` that people's labels can judge, with whether it is `there`."""
        known = said.with_columns(pl.col("label").cast(pl.String)).join(
            self.pairs.select("text").unique(), on="text", how="semi"
        )
        judged = known.join(self.pairs, on=["text", "label"], how="left")
        return judged.drop_nulls("there") if self.open else judged.with_columns(pl.col("there").fill_null(False))

    def agreement(self, given: pl.DataFrame) -> Agreement:
        """Return how the labels given to texts (`text`, `label`) and people's fit together, on texts that have both."""
        judged = self.judged(given)
        both = self.pairs.filter("there").join(given.select("text").unique(), on="text", how="semi")
        return Agreement(judged["text"].n_unique(), int(judged["there"].sum()), judged.height, both.height)


@dataclass(frozen=True)
class Agreement:
    """Counts of labels on the texts that people labelled and functions too: right ones, given ones, true ones."""

    texts: int = 0
    right: int = 0
    given: int = 0
    true: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        """Return the counts of both together."""
        return Agreement(
            self.texts + other.texts, self.right + other.right, self.given + other.given, self.true + other.true
        )

    @property
    def f1(self) -> float:
        """F1 over all labels; with one label per text it is the accuracy."""
        return 2 * self.right / max(self.given + self.true, 1)
