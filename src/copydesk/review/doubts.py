"""Weak labels to a review file: what labelling functions disagree about first, then what is least certain.

Reads a labelled raw table (with its recipe) or a Dataset that carries probabilities. It looks at columns alone until it
knows which rows to take. It knows nothing of the functions, and finds no errors in labels that people gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.clean import clean_rows
from copydesk.data.dataset import is_dataset, load_dataset
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.prepare import read_raw
from copydesk.data.review_file import Header, Item, Review, write_review
from copydesk.errors import DataError, UsageError
from copydesk.normalise import steps_of, text_id
from copydesk.recipe import Recipe

CONFLICT, UNCERTAIN = "conflict", "least certain"
PROBABILITIES, VOTES = "probabilities", "votes"
LIMIT = 1_000


def file_of_doubts(data: Path, recipe: Recipe | None, *, limit: int = LIMIT) -> Path:
    """Write the review file beside the data, and return its path; one that is there already is left as it is.

    Raises `UsageError` if a folder is no Dataset or a raw table comes without its recipe, `DataError` if nothing says
    what is doubtful.
    """
    data = data.resolve()
    path = data.with_name(f"{data.stem if data.is_file() else data.name}.review.jsonl")
    if not path.exists():
        write_review(path, review_of_doubts(data, recipe, limit=limit))
    return path


def review_of_doubts(data: Path, recipe: Recipe | None, *, limit: int = LIMIT) -> Review:
    """Return the texts to look at, at most `limit`, each text once; raises as `file_of_doubts` does."""
    if is_dataset(data):
        return _from_dataset(data, limit)
    if data.is_dir():
        raise UsageError(f"'{data}' is a folder without a Dataset in it (no manifest.json and data.parquet).")
    if recipe is None:
        raise UsageError(f"'{data}' is a raw table. Give the recipe it was labelled with: --recipe RECIPE.")
    return _from_raw(data, recipe, limit)


def _from_dataset(folder: Path, limit: int) -> Review:
    dataset = load_dataset(folder)
    column = dataset.kind.column
    rows = _doubtful(dataset.frame, dataset.task, column, folder, limit)
    header = Header(dataset.task, dataset.labels, dataset.manifest.get("categories", {}), dataset.manifest["recipe"])
    items = [
        _item(row, row["id"], row["text"], row[column], f"{row['source']}:{row['row']}")
        for row in rows.iter_rows(named=True)
    ]
    return Review(header, tuple(items))


def _from_raw(path: Path, recipe: Recipe, limit: int) -> Review:
    frame = read_raw(recipe, path).frame
    rows = _doubtful(frame, recipe.task, recipe.label, path, limit)
    kind = LABELS[recipe.task]
    steps = steps_of(recipe.prepare.normalise)
    labels = read_labels(rows, recipe).values
    clean, _ = clean_rows(rows, recipe.text, labels, steps=steps, max_chars=recipe.prepare.max_chars)
    evidence = rows.to_dicts()
    items = {
        row.text: _item(evidence[row.position], text_id(row.text), row.text, kind.stored(row.label), row.where)
        for row in reversed(clean)  # of copies the most doubtful stays
    }
    names = tuple(recipe.categories) or _names(frame, rows, recipe)
    return Review(Header(recipe.task, names, recipe.categories, recipe.name), tuple(reversed(items.values())))


def _names(frame: pl.DataFrame, rows: pl.DataFrame, recipe: Recipe) -> tuple[str, ...]:
    """Return every label that the rows have, or that has a probability anywhere."""
    kind = LABELS[recipe.task]
    found = {name for label in read_labels(rows, recipe).values if label for name in kind.present(label)}
    if PROBABILITIES in frame.columns:
        found |= set(frame[PROBABILITIES].explode().drop_nulls().struct.field("label").unique())
    return tuple(sorted(found))


def _doubtful(frame: pl.DataFrame, task: str, label: str, path: Path, limit: int) -> pl.DataFrame:
    """Return the labelled rows that are in doubt, the worst first."""
    conflict, suspicion = _CONFLICTS[task](frame), _SUSPICIONS[task](frame, label)
    if suspicion is None:
        raise DataError(
            f"'{path}' has no column {PROBABILITIES!r} or {VOTES!r}, so nothing says which texts to look at first. "
            "Label it with `copydesk label`, or find suspected errors with `copydesk prepare --find-label-errors`."
        )
    marked = frame.with_columns(conflict=conflict, suspicion=suspicion.clip(0, 1))
    doubted = marked.filter(pl.col(label).is_not_null() & pl.col("suspicion").is_not_null())
    return doubted.sort(["conflict", "suspicion"], descending=True, maintain_order=True).head(limit)


def _said_of(frame: pl.DataFrame, expression: pl.Expr) -> pl.Expr:
    """Return an expression over the labels that were voted for; False where there are no votes."""
    if VOTES not in frame.columns:
        return pl.lit(False)
    return pl.col(VOTES).list.eval(expression).list.first().fill_null(False)


def _several_labels(frame: pl.DataFrame) -> pl.Expr:
    return _said_of(frame, pl.element().struct.field("label").n_unique() > 1)


def _several_tags(frame: pl.DataFrame) -> pl.Expr:
    """Two votes disagree if they give a category different tags; several categories may well be present."""
    label = pl.element().struct.field("label")
    tagged = label.filter(label.str.contains("/", literal=True))
    return _said_of(frame, tagged.n_unique() > tagged.str.split("/").list.first().n_unique())


def _nothing_contradicts(frame: pl.DataFrame) -> pl.Expr:
    return pl.lit(False)


def _one_less_the_highest(frame: pl.DataFrame, label: str) -> pl.Expr | None:
    if PROBABILITIES in frame.columns:
        return 1 - pl.col(PROBABILITIES).list.eval(pl.element().struct.field("probability")).list.max()
    if VOTES in frame.columns:  # the share of the votes that the commonest label does not have
        names = pl.element().struct.field("label")
        return 1 - pl.col(VOTES).list.eval((names == names.mode().first()).mean()).list.first()
    return None


def _nearest_to_even(frame: pl.DataFrame, label: str) -> pl.Expr | None:
    if PROBABILITIES not in frame.columns:
        return None
    probability = pl.element().struct.field("probability")
    return pl.col(PROBABILITIES).list.eval(1 - (2 * probability - 1).abs()).list.max()


def _one_less_the_strongest(frame: pl.DataFrame, label: str) -> pl.Expr | None:
    if VOTES not in frame.columns or not isinstance(frame.schema[label], pl.List):
        return None
    return 1 - pl.col(label).list.eval(pl.element().struct.field("score").abs()).list.max()


_CONFLICTS: Mapping[str, Callable[[pl.DataFrame], pl.Expr]] = {
    "single": _several_labels,
    "multi": _nothing_contradicts,
    "signals": _several_tags,
}
_SUSPICIONS: Mapping[str, Callable[[pl.DataFrame, str], pl.Expr | None]] = {
    "single": _one_less_the_highest,
    "multi": _nearest_to_even,
    "signals": _one_less_the_strongest,
}


def _item(row: Mapping[str, Any], name: str, text: str, label: Any, where: str) -> Item:  # noqa: ANN401 (as stored)
    model = {entry["label"]: entry["probability"] for entry in row.get(PROBABILITIES) or []}
    likeliest = max(model, key=model.__getitem__, default=label)
    suggested = likeliest if isinstance(label, str) and likeliest != label else None
    return Item(
        name,
        text,
        label,
        suggested=suggested,
        reason=CONFLICT if row["conflict"] else UNCERTAIN,
        suspicion=round(row["suspicion"], 4),
        votes=tuple(_plain(row.get(VOTES) or [])),
        model={label: round(probability, 4) for label, probability in model.items()},
        where=where,
    )


def _plain(votes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"function": str(vote["function"]), "label": str(vote["label"])} for vote in votes]
