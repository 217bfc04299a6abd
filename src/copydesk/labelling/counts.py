"""How many texts got weak labels, and how these fit those that people gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from copydesk.labelling.gold import Agreement, Gold


@dataclass
class Counts:
    """How many texts got labels, and which; how well they agree with those that people gave."""

    texts: int = 0
    labelled: int = 0
    undecided: int = 0
    without_votes: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    agreement: Agreement | None = None

    def add(self, outcome: pl.DataFrame, gold: Gold | None) -> None:
        """Count what the next texts get."""
        given = _names(outcome["given"], first=self.texts)
        without = outcome["votes"].null_count()
        labelled = outcome.height - outcome["given"].null_count()
        self.labels.update(dict(given["label"].value_counts().iter_rows()))
        if gold is not None:
            self.agreement = (self.agreement or Agreement()) + gold.agreement(given)
        self.texts += outcome.height
        self.labelled += labelled
        self.without_votes += without
        self.undecided += outcome.height - labelled - without

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        agreement = self.agreement and {**asdict(self.agreement), "f1": self.agreement.f1}
        return {**asdict(self), "labels": dict(self.labels.most_common()), "agreement": agreement}


def _names(given: pl.Series, first: int) -> pl.DataFrame:
    """Return the labels, or categories, as rows of `text` (numbered from `first`) and `label`."""
    table = pl.DataFrame({"text": pl.int_range(first, first + len(given), dtype=pl.UInt32, eager=True), "label": given})
    table = table.drop_nulls("label")
    if isinstance(given.dtype, pl.List):
        table = table.explode("label")
    if isinstance(table["label"].dtype, pl.Struct):
        table = table.with_columns(pl.col("label").struct.field("category").alias("label"))
    return table
