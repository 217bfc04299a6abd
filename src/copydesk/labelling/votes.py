"""Every labelling function asked about every text: one table of votes.

It goes through the rows in batches and keeps the votes alone, some ten bytes each. What votes are worth it does not
know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from copydesk.data.clean import join_columns
from copydesk.errors import DataError
from copydesk.labelling.load import Functions
from copydesk.labelling.voters import Batch, Faults, Vote
from copydesk.normalise import normalise, steps_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Votes:
    """One row per vote: `text` (a row's number from 0), `function`, `label`, `yes`, `score`, `tag`; sorted by text.

    `texts` is how many were asked about, `labels` and `functions` are all there are, `faults` what went wrong.
    """

    table: pl.DataFrame
    texts: int
    functions: tuple[str, ...]
    labels: tuple[str, ...]
    faults: Mapping[str, Faults]

    def part(self, start: int, stop: int) -> pl.DataFrame:
        """Return the votes on the texts from `start` to `stop` (exclusive), their numbers counted from `start`."""
        low, high = np.searchsorted(self.table["text"].to_numpy(), [start, stop]).tolist()
        return self.table.slice(low, high - low).with_columns(pl.col("text") - start)


def collect_votes(rows: pl.DataFrame, recipe: Recipe, functions: Functions, progress: Progress) -> Votes:
    """Ask every function about every row. Raises `DataError` for a missing column, `RecipeError` for a wrong answer.

    `rows` has the recipe's text columns and what else functions may look at.
    """
    _require_columns(rows, functions)
    steps = steps_of(recipe.prepare.normalise)
    schema = _schema(functions)
    tables = [pl.DataFrame(schema=schema)]
    with progress.track("labelling", rows.height, "texts") as advance:
        for start in range(0, rows.height, BATCH_ROWS):
            some = rows.slice(start, BATCH_ROWS)
            texts = [normalise(join_columns(values), steps) for values in some.select(recipe.text).iter_rows()]
            batch = Batch(texts, some)
            votes = [vote for voter in functions.voters for vote in voter.votes(batch)]
            tables.append(_table(votes, schema, start))
            advance(some.height)
    faults = {name: faults for voter in functions.voters for name, faults in voter.faults.items()}
    table, labels = pl.concat(tables), tuple(functions.vocabulary.labels or ())
    return Votes(table, rows.height, tuple(functions.names), labels, faults)


def _schema(functions: Functions) -> dict[str, pl.DataType]:
    tags = {tag for tags in (functions.vocabulary.tags or {}).values() for tag in tags}
    return {
        "text": pl.UInt32(),
        "function": pl.Enum(functions.names),
        "label": pl.Enum(functions.vocabulary.labels or ()),
        "yes": pl.Boolean(),
        "score": pl.Float64(),
        "tag": pl.Enum(["", *sorted(tags)]),
    }


def _table(votes: Sequence[Vote], schema: Mapping[str, pl.DataType], start: int) -> pl.DataFrame:
    table = pl.DataFrame(votes, schema=dict(schema), orient="row").sort("text", maintain_order=True)
    return table.with_columns(pl.col("text") + start)


def _require_columns(rows: pl.DataFrame, functions: Functions) -> None:
    for voter in functions.voters:
        missing = sorted(voter.columns - set(rows.columns))
        if missing:
            raise DataError(
                f"A labelling function looks at column {missing[0]!r}, which is missing; the data has: "
                f"{', '.join(rows.columns)}."
            )
