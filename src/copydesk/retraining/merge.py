"""All that people said of texts from production, in one review file: what was merged before, reviews, feedback.

One text has one decision. A reviewer's word counts more than a user's, a later one more than an earlier one. The
same answers make the same file, whatever the order in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.labels import LABELS
from copydesk.data.review_file import RANDOM, Header, Item, Review, read_review, write_review
from copydesk.data.reviewed import read_decisions
from copydesk.files import next_free
from copydesk.monitor.entry import NOT_SHADOW, with_ids
from copydesk.normalise import normalise, steps_of, text_id
from copydesk.recipe import Recipe
from copydesk.retraining.log import Logged
from copydesk.retraining.queued import stored_label

FOLDER = Path("corrections")
FEEDBACK = "feedback"


@dataclass(frozen=True)
class Answers:
    """Everything that was said, in one review; of how many texts something new, and how many without a text are lost.

    `earlier` is the file that it goes on from.
    """

    review: Review
    new: int
    textless: int
    earlier: Path | None

    def write(self, recipe: Recipe) -> Path | None:
        """Return the file that holds them: the earlier one if it says the same, else a new one; None for nothing."""
        if not self.review.items:
            return None
        if self.earlier is not None and not self.new:
            return self.earlier
        path = next_free(FOLDER, recipe.name, ".jsonl")
        write_review(path, self.review)
        return path


def answers_of(recipe: Recipe, reviews: Sequence[Path], logged: Logged) -> Answers:
    """Return what was said of texts, earlier answers included.

    Raises `DataError` for a review of another task or other categories, and for two of the given files that contradict
    each other.
    """
    earlier = newest(recipe.name)
    before = read_review(earlier) if earlier else None
    given = [str(path) for path in reviews]
    said, textless = feedback_items(recipe, logged)
    items = {item.id: item for item in (before.items if before else ()) if _file(item) not in given}
    for item in said:
        if item.id not in items or items[item.id].reason == FEEDBACK:
            items[item.id] = item
    for item in _decided(given, recipe):
        items[item.id] = item
    headers = [read_review(path).header for path in ([earlier] if earlier else []) + list(reviews)]
    review = Review(_header(recipe, headers, said), tuple(items[name] for name in sorted(items)))
    known = {item.id: item for item in (before.items if before else ())}
    changed = [name for name in {*items, *known} if items.get(name) != known.get(name)]
    return Answers(review, len(changed), textless, earlier)


def newest(name: str) -> Path | None:
    """Return the file of the last retraining's answers here, or None."""
    numbered = {
        int(file.stem.rpartition("-")[2]): file for file in FOLDER.glob(f"{name}-*.jsonl") if _is_ours(file, name)
    }
    return numbered[max(numbered)] if numbered else None


def feedback_items(recipe: Recipe, logged: Logged) -> tuple[list[Item], int]:
    """Return the corrections of a log as decisions, oldest first, and how many are left out for want of a text.

    Those of other models and tasks in the same log are passed over.
    """
    said = logged.corrections.filter(pl.col("field") == LABELS[recipe.task].column).sort("at")
    if said.is_empty():
        return [], 0
    rows = with_ids(logged.rows, said["id"]).filter(NOT_SHADOW)
    rows = rows.select("id", "text_hash", "text", "model").unique("id")
    found = {row["id"]: row for row in rows.collect(engine="streaming").iter_rows(named=True)}
    pairs = [(row, found.get(row["id"], {})) for row in said.iter_rows(named=True)]
    own = [pair for pair in pairs if pair[1].get("model", recipe.name) == recipe.name]
    items = [_feedback_item(recipe, correction, row, logged.name) for correction, row in own]
    return [item for item in items if item.text], sum(not item.text for item in items)


def _feedback_item(recipe: Recipe, said: Mapping[str, Any], row: Mapping[str, Any], log: str) -> Item:
    text = normalise(said["text"] or row.get("text") or "", steps_of(recipe.prepare.normalise))
    return Item(
        id=row.get("text_hash") or text_id(text),
        text=text,
        label=None,
        reason=RANDOM if said["weight"] else FEEDBACK,
        where=f"feedback in {log}",
        decision="change",
        new_label=stored_label(recipe.task, said["labels"], said["scores"], said["tags"]),
        prediction=said["id"],
        weight=said["weight"] or 0.0,
    )


def _decided(reviews: Sequence[str], recipe: Recipe) -> list[Item]:
    """Return the decided items, each with its file and line."""
    decisions = read_decisions(reviews, recipe, LABELS[recipe.task])
    return [
        replace(one.item, id=one.id, where=f"{one.file}:{one.line}", votes=(), model={}, suspicion=0.0)
        for one in decisions
    ]


def _header(recipe: Recipe, headers: Sequence[Header], said: Sequence[Item]) -> Header:
    if recipe.categories:
        return Header(recipe.task, tuple(recipe.categories), recipe.categories, recipe.name)
    names = {name for header in headers for name in header.labels}
    for item in said:
        names |= {item.new_label} if isinstance(item.new_label, str) else {str(name) for name in item.new_label or ()}
    return Header(recipe.task, tuple(sorted(names)), {}, recipe.name)


def _file(item: Item) -> str:
    return item.where.rpartition(":")[0]


def _is_ours(file: Path, name: str) -> bool:
    number = file.stem.removeprefix(f"{name}-")
    return number.isdecimal()
