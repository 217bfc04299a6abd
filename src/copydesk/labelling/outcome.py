"""Votes and probabilities -> the columns of a labelled table.

A label is given where it is clearly more probable than the next (`single`), or at least as probable as not (`multi`,
and the categories of `signals`). Where none is, and where nobody voted, a row has no label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.labels import LABELS
from copydesk.labelling.majority import Probabilities
from copydesk.models.keyword_file import DEFAULT_SCORE

PROBABILITIES, VOTES = "probabilities", "votes"
MARGIN = 0.1
"""How much more probable than the next a text's label must be: a tie is no label (docs/label.md)."""
_ENOUGH = 0.5


def outcome_of(votes: pl.DataFrame, probabilities: Probabilities, names: Sequence[str], task: str) -> pl.DataFrame:
    """Return the columns that texts get: `given` (null: no label), `probabilities` (not for `signals`), `votes`.

    The texts are numbered as the rows of `probabilities`, whose columns are the labels `names`; `votes` are those on
    these texts.
    """
    rows = pl.DataFrame({"text": pl.int_range(len(probabilities), dtype=pl.UInt32, eager=True)})
    given = _GIVEN[task](votes, probabilities, names).select("text", pl.col("given").cast(LABELS[task].dtype))
    table = rows.join(given, on="text", how="left", maintain_order="left")
    if task != "signals":
        listed = _listed(probabilities, names)
        table = table.with_columns(pl.when(pl.col("given").is_not_null()).then(listed).alias(PROBABILITIES))
    return table.join(_told(votes), on="text", how="left", maintain_order="left").drop("text")


def _single(votes: pl.DataFrame, probabilities: Probabilities, names: Sequence[str]) -> pl.DataFrame:
    """Return the texts whose most probable label is clear."""
    ranked = np.sort(probabilities, axis=1)
    second = ranked[:, -2] if len(names) > 1 else np.zeros(len(ranked))
    texts = np.flatnonzero(ranked[:, -1] - second >= MARGIN)
    return _named(texts, probabilities[texts].argmax(axis=1), names).rename({"label": "given"})


def _multi(votes: pl.DataFrame, probabilities: Probabilities, names: Sequence[str]) -> pl.DataFrame:
    """Return the texts that have any probable label, with all of them."""
    return _probable(probabilities, names).group_by("text").agg(pl.col("label").sort().alias("given"))


def _signals(votes: pl.DataFrame, probabilities: Probabilities, names: Sequence[str]) -> pl.DataFrame:
    """Return the texts that have any probable category, each with its votes' mean score and their commonest tag.

    Of equally common tags it is that of the strongest vote.
    """
    yes = votes.filter("yes").with_columns(
        pl.col("label", "tag").cast(pl.String), pl.col("score").cast(pl.Float64).fill_null(DEFAULT_SCORE)
    )
    pair = ["text", "label"]
    tags = (
        yes.filter(pl.col("tag") != "")
        .group_by(*pair, "tag")
        .agg(pl.len(), pl.col("score").abs().max().alias("strength"))
        .sort("len", "strength", "tag", descending=[True, True, False])
        .group_by(pair)
        .agg(pl.col("tag").first())
    )
    scored = yes.group_by(pair).agg(pl.col("score").mean()).join(tags, on=pair, how="left")
    present = _probable(probabilities, names).join(scored, on=pair).sort("text", "label")
    signal = pl.struct(pl.col("label").alias("category"), "score", pl.col("tag").fill_null(""))
    return present.group_by("text", maintain_order=True).agg(signal.alias("given"))


def _probable(probabilities: Probabilities, names: Sequence[str]) -> pl.DataFrame:
    texts, labels = np.nonzero(probabilities >= _ENOUGH)
    return _named(texts, labels, names)


def _named(texts: NDArray[np.int64], labels: NDArray[np.int64], names: Sequence[str]) -> pl.DataFrame:
    named = pl.Series("label", names, dtype=pl.String).gather(labels)
    return pl.DataFrame([pl.Series("text", texts, dtype=pl.UInt32), named])


def _listed(probabilities: Probabilities, names: Sequence[str]) -> pl.Series:
    """Return every label with its probability, as one list per text."""
    columns = pl.DataFrame(dict(zip(names, probabilities.T, strict=True)))
    entries = [pl.struct(pl.lit(name).alias("label"), pl.col(name).alias("probability")) for name in names]
    return columns.select(pl.concat_list(entries)).to_series()


def _told(votes: pl.DataFrame) -> pl.DataFrame:
    """Return who said what, as one list per text, for people to read."""
    label, tag = pl.col("label").cast(pl.String), pl.col("tag").cast(pl.String)
    said = pl.when("yes").then(pl.when(tag == "").then(label).otherwise(label + "/" + tag)).otherwise("not " + label)
    vote = pl.struct(pl.col("function").cast(pl.String), said.alias("label"))
    return votes.group_by("text", maintain_order=True).agg(vote.alias(VOTES))


_GIVEN: dict[str, Callable[[pl.DataFrame, Probabilities, Sequence[str]], pl.DataFrame]] = {
    "single": _single,
    "multi": _multi,
    "signals": _signals,
}
