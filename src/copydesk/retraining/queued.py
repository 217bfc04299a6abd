"""A prediction log to a review file: the texts most worth labelling, each with the model's answer and the reason.

Nothing that people have labelled, or that the model has seen, is asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.bundle import Bundle
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.label_kinds import counted
from copydesk.data.review_file import Header, Item, Review, StoredLabel, read_review
from copydesk.data.trained_on import find_leaks
from copydesk.errors import DataError
from copydesk.monitor.compare import Floats
from copydesk.monitor.entry import with_ids
from copydesk.monitor.queue import DISAGREED, RANDOM_SHARE, Pool, Queued, draw_pool, novelty_of, queue_of
from copydesk.monitor.reference import Reference
from copydesk.progress import Progress
from copydesk.retraining.log import Logged

ALIKE = 0.6
"""From this Jaccard similarity on one text of several is enough."""


@dataclass(frozen=True)
class Wanted:
    """How many texts, which share of them at random, by which random numbers; `labelled` (by hash) are left out."""

    limit: int = 200
    random_share: float = RANDOM_SHARE
    seed: int = 0
    labelled: Collection[str] = ()


@dataclass(frozen=True)
class Queue:
    """The review, and how many texts were looked at; `known`: left out, as the model has seen them."""

    review: Review
    looked_at: int
    known: int

    @property
    def reasons(self) -> dict[str, int]:
        """How many texts have each reason, the commonest first."""
        return dict(Counter(item.reason for item in self.review.items).most_common())


def review_of_log(bundle: Bundle, logged: Logged, wanted: Wanted, *, progress: Progress) -> Queue:
    """Return the texts of a log that are most worth labelling.

    Raises `DataError` where the log has no row of this model, keeps no texts, or holds none that is not labelled yet.
    """
    rows = logged.rows.filter(pl.col("model") == str(bundle.manifest["name"]))
    _require_texts(rows, logged.name, str(bundle.manifest["name"]))
    said = with_ids(rows, logged.corrections["id"]).select("text_hash").collect(engine="streaming")
    pool = draw_pool(rows, {*wanted.labelled, *said["text_hash"]}, seed=wanted.seed)
    progress.say(f"looking at {pool.frame.height:,} texts")
    seen = find_leaks(bundle.layout.training_texts, pool.frame["text"].to_list())
    fresh = pool.without({leak.place for leak in seen.found})
    if not fresh.frame.height:
        raise DataError(
            f"Every text of '{logged.name}' that was looked at ({pool.frame.height:,}) is labelled already, or the "
            "model was trained on it. There is nothing to ask: take a longer --since."
        )
    texts = fresh.frame["text"].to_list()
    groups = find_near_duplicates(texts, ALIKE).group.tolist()
    novelty = _novelty(bundle, texts, progress)
    queue = queue_of(fresh, novelty, groups, limit=wanted.limit, random_share=wanted.random_share)
    return Queue(_review(bundle, fresh, queue, logged.name), pool.frame.height, len(seen.found))


def _novelty(bundle: Bundle, texts: list[str], progress: Progress) -> Floats | None:
    if not bundle.layout.reference.is_file():
        progress.warn(f"'{bundle.path}' holds no reference, so which texts are unlike those of training is not known.")
        return None
    return novelty_of(texts, Reference.load(bundle.layout.reference))


def reviewed_before(folders: Mapping[Path, str]) -> set[str]:
    """Return the ids of all texts in the review files of some folders that begin with a name."""
    files = [file for folder, name in folders.items() for file in sorted(folder.glob(f"{name}-*.jsonl"))]
    return {item.id.partition("-")[0] for file in files for item in read_review(file).items}


def _require_texts(rows: pl.LazyFrame, log: str, name: str) -> None:
    counted = rows.select(rows=pl.len(), texts=pl.col("text").count()).collect(engine="streaming")
    total, texts = counted.row(0)
    if not total:
        raise DataError(f"'{log}' has no answer of model '{name}' in this time. Take a longer --since.")
    if not texts:
        raise DataError(
            f"'{log}' keeps no texts: none of its {total:,} answers can be shown to anybody. Let the server keep them "
            "(`serve.log` in the recipe, masked or whole), or give them: --texts FILE, with a column `id` (the "
            "answers' ids) or the texts themselves, which are known again by their hash."
        )


def _review(bundle: Bundle, pool: Pool, queue: list[Queued], log: str) -> Review:
    settings = bundle.settings
    categories = {name: list(tags) for name, tags in settings.categories.items()}
    header = Header(settings.task, settings.labels, categories, str(bundle.manifest["name"]))
    rows = pool.frame.rows(named=True)
    return Review(header, tuple(_item(rows[queued.place], queued, settings.task, log) for queued in queue))


def _item(row: Mapping[str, Any], queued: Queued, task: str, log: str) -> Item:
    item = Item(
        id=row["text_hash"],
        text=row["text"],
        label=stored_label(task, row["labels"], row["scores"], row["tags"]),
        reason=queued.reason,
        suspicion=queued.suspicion,
        model={name: round(float(score), 4) for name, score in zip(row["labels"], row["scores"], strict=False)},
        where=f"{log} at {row['at']:%Y-%m-%d %H:%M} UTC, asked {counted(row['requests'], 'time', 'times')}",
        prediction=row["id"],
        weight=round(queued.weight, 4),
    )
    if queued.reason != DISAGREED or task == "signals":  # of a shadow's signals no scores are at hand
        return item
    return replace(item, suggested=stored_label(task, row["other_labels"], (), ()))


def stored_label(
    task: str, labels: Collection[str], scores: Collection[float], tags: Collection[str]
) -> StoredLabel | None:
    """Return an answer as a Dataset stores a label; None where nothing was answered."""
    if task == "signals":
        parts = zip(labels, scores, tags, strict=True)
        return [{"category": name, "score": round(float(score), 4), "tag": tag} for name, score, tag in parts]
    if not labels:
        return None
    return list(labels) if task == "multi" else next(iter(labels))
