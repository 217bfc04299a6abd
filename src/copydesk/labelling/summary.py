"""What labelling functions did: coverage, overlaps, conflicts and, where people gave labels, how often they are right.

Coverage is the share of texts that a function votes on; overlaps and conflicts are the shares on which another function
votes too, and says something else (Ratner et al. 2017).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from copydesk.labelling.gold import Gold
from copydesk.labelling.voters import Faults
from copydesk.labelling.votes import Votes


@dataclass(frozen=True)
class FunctionSummary:
    """One function: what it votes for, on how many texts, and the shares of all texts that it covers and so on.

    `accuracy` is the share of its votes that are right, over the `measured` ones on texts that people labelled.
    """

    name: str
    labels: list[str]
    texts: int
    coverage: float
    overlaps: float
    conflicts: float
    accuracy: float | None = None
    measured: int = 0
    faults: Faults = field(default_factory=Faults)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def summarise(votes: Votes, gold: Gold | None, *, exclusive: bool) -> list[FunctionSummary]:
    """Return a summary of every function, in their order; `exclusive`: a text has one label."""
    table = votes.table.with_columns(
        overlaps=pl.col("function").n_unique().over("text") > 1,
        conflicts=pl.col("label").n_unique().over("text") > 1 if exclusive else _contradicted(),
    )
    per_text = table.group_by("function", "text").agg(pl.col("overlaps", "conflicts").any())
    counts = per_text.group_by("function").agg(pl.len().alias("texts"), pl.col("overlaps", "conflicts").sum())
    labels = table.group_by("function").agg(pl.col("label").unique().sort().cast(pl.String))
    judged = (gold.judged(table) if gold else table.clear().with_columns(there=pl.lit(None, pl.Boolean))).group_by(
        "function"
    )
    measured = judged.agg(pl.len().alias("measured"), (pl.col("there") == pl.col("yes")).mean().alias("accuracy"))
    names = pl.DataFrame({"function": votes.functions}, {"function": table.schema["function"]})
    rows = names.join(counts, on="function", how="left", maintain_order="left")
    rows = rows.join(labels, on="function", how="left").join(measured, on="function", how="left", maintain_order="left")
    every = max(votes.texts, 1)
    return [
        FunctionSummary(
            name=row["function"],
            labels=row["label"] or [],
            texts=row["texts"] or 0,
            coverage=(row["texts"] or 0) / every,
            overlaps=(row["overlaps"] or 0) / every,
            conflicts=(row["conflicts"] or 0) / every,
            accuracy=row["accuracy"],
            measured=row["measured"] or 0,
            faults=votes.faults.get(row["function"], Faults()),
        )
        for row in rows.to_dicts()
    ]


def _contradicted() -> pl.Expr:
    """Return whether another vote on the same text and label says yes for no, another direction, or another tag."""
    score, tag = pl.col("score"), pl.col("tag").cast(pl.String)
    directions = (score > 0).any() & (score < 0).any()
    return ((pl.col("yes").n_unique() > 1) | directions | (tag.filter(tag != "").n_unique() > 1)).over("text", "label")
