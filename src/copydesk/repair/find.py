"""Raw data or a Dataset to a review file's content: everything that somebody should look at, most pressing first.

It decides nothing: the decisions come back through `prepare.reviewed` (`data/reviewed.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.dataset import Dataset, is_dataset
from copydesk.data.prepare import clean_table, prepare_dataset, prepare_table, read_raw
from copydesk.data.review_file import Header, Item, Review
from copydesk.data.reviewed import read_decisions
from copydesk.errors import DataError, UsageError
from copydesk.normalise import text_id
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.repair.items import MORE, Findings, contested, label_errors, near_conflicts
from copydesk.repair.opinions import form_opinions

_FEWEST_TEXTS = 20


@dataclass(frozen=True)
class Wanted:
    """What to look for besides label errors and conflicts, and whether the recipe's encoder compares the texts."""

    also: Sequence[str] = ()
    encoder: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.also if name not in MORE]
        if unknown:
            raise UsageError(f"--also {unknown[0]!r} is none of {', '.join(MORE)}.")


@dataclass(frozen=True)
class Found:
    """The Dataset, and what is doubtful in it."""

    dataset: Dataset
    review: Review

    def to_json(self) -> dict[str, Any]:
        """Return how many texts are doubtful for each reason."""
        return {"doubts": dict(Counter(item.reason for item in self.review.items))}


@dataclass(frozen=True)
class _Prepared:
    """The Dataset, and what only the raw rows show: contested texts, all texts, and votes by place."""

    dataset: Dataset
    contested: list[Item] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    votes: dict[str, Sequence[dict[str, Any]]] = field(default_factory=dict)


def find_doubts(recipe: Recipe, data: str | PathLike[str] | None, wanted: Wanted, *, progress: Progress) -> Found:
    """Prepare the data and return it with a review of what is doubtful; texts that were decided about are left out.

    Raises `DataError` for too few texts, and what preparing raises.
    """
    prepared = _prepared(recipe, data, progress)
    findings = _findings(prepared.dataset, recipe, wanted, progress)
    items = [*label_errors(findings), *prepared.contested, *near_conflicts(findings)]
    for name in [name for name in MORE if name in wanted.also]:
        progress.say(f"looking for: {name}")
        items += MORE[name](findings, progress)
    decided = {decision.id for decision in read_decisions(recipe.prepare.reviewed, recipe, findings.kind)}
    texts = (*prepared.texts, *findings.texts) if decided else ()
    settled = {text.casefold() for text in texts if text_id(text) in decided}
    votes = prepared.votes
    kept = [replace(item, votes=votes.get(item.where.partition(" ")[0], ())) for item in _once(items, settled)]
    header = Header(recipe.task, prepared.dataset.labels, recipe.categories, recipe.name)
    return Found(prepared.dataset, Review(header, tuple(kept)))


def _prepared(recipe: Recipe, data: str | PathLike[str] | None, progress: Progress) -> _Prepared:
    if data is not None and is_dataset(Path(data)):
        return _Prepared(prepare_dataset(recipe, data, progress=progress))
    raw = read_raw(recipe, data, progress=progress)
    dataset = prepare_table(recipe, raw, progress=progress)
    rows = clean_table(recipe, raw)
    return _Prepared(dataset, contested(rows, dataset.kind), [row.text for row in rows], _votes(raw.frame))


def _findings(dataset: Dataset, recipe: Recipe, wanted: Wanted, progress: Progress) -> Findings:
    frame, kind = dataset.frame, dataset.kind
    if frame.height < _FEWEST_TEXTS:
        raise DataError(
            f"{frame.height} texts are too few to find wrong labels among: a model must learn from some what the "
            f"others are. At least {_FEWEST_TEXTS} are needed."
        )
    texts = frame["text"].to_list()
    labels = [kind.restored(cell) for cell in frame[kind.column].to_list()]
    where = [f"{source}:{row}" for source, row in zip(frame["source"], frame["row"], strict=True)]
    vectors = None
    if wanted.encoder:
        from copydesk.repair.encoding import encoder_vectors

        vectors = encoder_vectors(texts, recipe, progress)
    opinions = form_opinions(dataset, texts, labels, recipe, vectors=vectors, progress=progress)
    return Findings(recipe, kind, texts, labels, where, opinions)


def _once(items: Sequence[Item], settled: Collection[str]) -> Iterator[Item]:
    """Yield one item per text, the first; none about a text that was decided about."""
    seen = set(settled)
    for item in items:
        key = item.text.casefold()
        if key not in seen:
            seen.add(key)
            yield item


def _votes(frame: pl.DataFrame) -> dict[str, Sequence[dict[str, Any]]]:
    """Return what labelling functions said of each row, by its place; nothing where places are not unique."""
    if "votes" not in frame.columns or frame.select("_source", "_row").is_duplicated().any():
        return {}
    rows = frame.select("_source", "_row", "votes").drop_nulls("votes").iter_rows()
    return {f"{source}:{row}": tuple(votes) for source, row, votes in rows if votes}
