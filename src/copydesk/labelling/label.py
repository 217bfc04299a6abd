"""Recipe + raw rows -> a table with weak labels.

Votes of labelling functions become probabilities, and these labels; labels that people gave only measure them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.clean import require_columns
from copydesk.data.dataset import is_dataset
from copydesk.data.label_kinds import counted, listed
from copydesk.data.prepare import read_raw
from copydesk.data.raw import write_raw_parts
from copydesk.data.weak_labels import given_column
from copydesk.errors import DataError, UsageError
from copydesk.labelling.counts import Counts
from copydesk.labelling.gold import Gold
from copydesk.labelling.load import load_functions
from copydesk.labelling.outcome import PROBABILITIES, VOTES, outcome_of
from copydesk.labelling.settle import Settled, settle
from copydesk.labelling.summary import FunctionSummary, summarise
from copydesk.labelling.votes import Votes, collect_votes
from copydesk.progress import Progress
from copydesk.recipe import Recipe

_CELLS_AT_ONCE = 1_000_000
"""So many probabilities are held at a time."""


@dataclass(frozen=True)
class Labelled:
    """A table with weak labels on disk, and what to tell of it."""

    path: Path
    settled: Settled
    counts: Counts
    functions: list[FunctionSummary]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "votes": self.settled.name,
            "why": self.settled.why,
            "counts": self.counts.to_json(),
            "functions": [summary.to_json() for summary in self.functions],
        }


def label_texts(
    recipe: Recipe, data: str | PathLike[str] | None, *, out: Path, now: datetime, progress: Progress
) -> Labelled:
    """Label the rows of `data`, or of the recipe's source, and write them to `out`, a Parquet file.

    Raises `RecipeError` for what is wrong with labelling functions, `DataError` if none of them votes on any text.
    """
    if data is not None and is_dataset(Path(data)):
        raise UsageError(f"'{data}' is a prepared Dataset; label takes raw texts, and prepare what label writes.")
    raw = read_raw(recipe, data, progress=progress)
    require_columns(raw.frame, recipe.text)
    kept = _kept(raw.frame, recipe)
    gold = _gold(raw.frame, recipe)
    functions = load_functions(recipe, gold=gold.labels if gold else ())
    votes = collect_votes(_seen(raw.frame, recipe), recipe, functions, progress)
    summaries = summarise(votes, gold, exclusive=recipe.task == "single")
    for line in _concerns(summaries, gold):
        progress.warn(line)
    if votes.table.is_empty():
        raise DataError(
            f"None of the {len(votes.functions):,} labelling functions votes on any of the {votes.texts:,} texts. "
            "Do they look for the words of these texts, in the right columns?"
        )
    settled = settle(votes, recipe)
    progress.say(f"votes: {settled.name} ({settled.why})")
    counts = Counts()
    labelled = Labelled(out, settled, counts, summaries)
    facts = {"made_by": "label", "recipe": recipe.name, "sources": raw.files, "created": now.isoformat()}
    outcomes = _outcomes(votes, settled, recipe.task)
    parts = _parts(kept, outcomes, recipe.label, counts, gold)
    write_raw_parts(out, parts, lambda: {**facts, **labelled.to_json()})
    if not counts.labelled:
        progress.warn("No text got a label: no votes are decisive. Add functions, or correct those there are.")
    return labelled


def _gold(rows: pl.DataFrame, recipe: Recipe) -> Gold | None:
    """Return the labels that people gave: in the recipe's column of them, or in the label column of the raw rows."""
    column = recipe.weak.gold
    if column in (None, recipe.label):  # beside votes the label column holds what functions said
        column = given_column(recipe.label) if VOTES in rows.columns else recipe.label
        if column not in rows.columns:
            return None
    elif column not in rows.columns:
        there = ", ".join(name for name in rows.columns if not name.startswith("_"))
        raise DataError(f"Column {column!r} (weak.gold) is missing; the data has: {there}.")
    gold = Gold.read(rows, column, recipe)
    return None if gold.pairs.is_empty() else gold


def _seen(rows: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return what functions may look at: everything but labels."""
    hidden = {recipe.label, given_column(recipe.label), recipe.weak.gold, PROBABILITIES, VOTES} - set(recipe.text)
    return rows.select(name for name in rows.columns if name not in hidden and not name.startswith("_"))


def _kept(rows: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return the raw columns as they go to the file; labels that the rows came with get another name."""
    if VOTES in rows.columns:
        return rows.drop(PROBABILITIES, VOTES, recipe.label, strict=False)
    if {recipe.label, given_column(recipe.label)} <= set(rows.columns):
        raise DataError(
            f"The data has columns {recipe.label!r} and {given_column(recipe.label)!r}; the first would get the "
            "second's name, to make room for weak labels. Rename one of them."
        )
    return rows.rename({recipe.label: given_column(recipe.label)}, strict=False)


def _concerns(summaries: list[FunctionSummary], gold: Gold | None) -> Iterator[str]:
    """Yield a line for every function that failed or never votes, and for labels that no person gave."""
    for summary in summaries:
        faults = summary.faults
        if faults.failures:
            texts = counted(faults.failures, "text", "texts")
            yield f"Labelling function {summary.name!r} failed on {texts} and abstained there. First: {faults.first}"
        if faults.time_outs:
            end = ", and was given up" if faults.given_up else ""
            times = counted(faults.time_outs, "time", "times")
            yield f"Labelling function {summary.name!r} took too long {times}{end}. {faults.first}"
    silent = [summary.name for summary in summaries if not summary.texts]
    if silent:
        functions = counted(len(silent), "labelling function votes", "labelling functions vote")
        yield f"{functions} on no text: {listed(silent)}."
    foreign = sorted({label for summary in summaries for label in summary.labels} - set(gold.labels if gold else ()))
    if gold and foreign:
        yield f"Functions vote for {listed(foreign)}, which people gave to no text; they gave {listed(gold.labels)}."


def _outcomes(votes: Votes, settled: Settled, task: str) -> Iterator[pl.DataFrame]:
    """Yield what the texts get, part by part."""
    size = max(1, _CELLS_AT_ONCE // len(votes.labels))
    for start in range(0, votes.texts, size):
        texts = min(size, votes.texts - start)
        of_part = votes.part(start, start + texts)
        yield outcome_of(of_part, settled.model.probabilities(of_part, texts), votes.labels, task)


def _parts(
    rows: pl.DataFrame, outcomes: Iterator[pl.DataFrame], label: str, counts: Counts, gold: Gold | None
) -> Iterator[pl.DataFrame]:
    """Yield the rows with what they get, and count it."""
    for outcome in outcomes:
        some = rows.slice(counts.texts, outcome.height)
        counts.add(outcome, gold)
        yield some.hstack(outcome.rename({"given": label}))
