"""Corrections: what people said of texts from production, brought into a Dataset that is divided already.

The validation and the test part keep their texts and labels, so that versions are compared by the same ones. A decision
about a training text replaces its label, or drops it. A text that is not there joins: one that was drawn at random
joins the test part, where it stands for the texts of today (a slice by its source), any other the training part, as
often as `prepare.repeat_corrections` says. It does not know whether the people were right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.dataset import PARTS, Dataset, Part
from copydesk.data.review_file import RANDOM
from copydesk.data.reviewed import Decided, read_decisions
from copydesk.data.trained_on import find_leaks, sketch
from copydesk.data.weak_labels import PROBABILITIES
from copydesk.errors import DataError, RecipeError
from copydesk.files import sha256_of
from copydesk.normalise import normalise, text_id
from copydesk.progress import Progress
from copydesk.recipe import Recipe

_ROW = re.compile(r"(.+):(\d+)")


@dataclass
class Merged:
    """What becomes of decisions: labels by id, ids to drop, new texts by part, and how often what happened."""

    relabelled: dict[str, Any] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    added: dict[Part, list[tuple[str, Decided]]] = field(default_factory=lambda: {"train": [], "test": []})
    counts: Counter[str] = field(default_factory=Counter)


def with_corrections(dataset: Dataset, recipe: Recipe, progress: Progress) -> Dataset:
    """Return the Dataset with the decisions of `prepare.corrections`; one that was prepared with them is as it is.

    Raises `RecipeError` for a file that is missing, `DataError` for a label that the Dataset does not have, decisions
    that contradict each other, or a Dataset that was prepared with other corrections.
    """
    paths = recipe.prepare.corrections
    for path in paths:
        if not Path(path).is_file():
            raise RecipeError(f"prepare.corrections: '{path}' does not exist.")
    files = [{"file": path, "sha256": sha256_of(Path(path))} for path in paths]
    known = dataset.manifest.get("corrections")
    if known is not None:
        _require_same(known, files, recipe)
        return dataset
    if not paths:
        return dataset
    decisions = {one.id: one for one in read_decisions(paths, recipe, dataset.kind)}
    merged = _merged(dataset, list(decisions.values()))
    frame = _applied(dataset, merged, recipe.prepare.repeat_corrections)
    facts = {"files": files, "repeat": recipe.prepare.repeat_corrections, **merged.counts}
    progress.say(f"{len(decisions):,} corrections: " + ", ".join(_told(merged.counts)))
    return Dataset(frame, _counted(dataset, frame, facts))


def _require_same(known: dict[str, Any], files: Sequence[dict[str, str]], recipe: Recipe) -> None:
    same = [entry["sha256"] for entry in known["files"]] == [entry["sha256"] for entry in files]
    if not same or known["repeat"] != recipe.prepare.repeat_corrections:
        raise DataError(
            "The Dataset was prepared with other corrections than those of the recipe. Give the data that it was "
            "prepared from, or take prepare.corrections from its manifest."
        )


def _merged(dataset: Dataset, decisions: Sequence[Decided]) -> Merged:
    """Return what becomes of each decision; of new texts that look like those of another part none stays."""
    merged, steps, labels = Merged(), dataset.manifest["normalise"], set(dataset.labels)
    ids = dict(dataset.frame.select(pl.col("id").str.split("-").list.first(), "split").iter_rows())
    names = {text.casefold(): name for text, name in dataset.frame.select("text", "id").iter_rows()}
    for decided in decisions:
        _require_known(decided, dataset, labels)
        text = normalise(decided.item.text, steps)
        name = decided.id if decided.id in ids else names.get(text.casefold(), "").partition("-")[0]
        if not name:
            _add(merged, text, decided)
        elif ids[name] != "train":
            merged.counts["left_as_they_are"] += 1
        elif decided.label is None:
            merged.dropped.add(name)
            merged.counts["dropped"] += 1
        else:
            merged.relabelled[name] = decided.label
    _without_leaks(dataset, merged)
    return merged


def _add(merged: Merged, text: str, decided: Decided) -> None:
    if decided.label is None or not text.strip():
        merged.counts["of_no_use"] += 1
    else:
        merged.added["test" if decided.item.reason == RANDOM else "train"].append((text, decided))


def _require_known(decided: Decided, dataset: Dataset, labels: set[str]) -> None:
    unknown = [name for name in dataset.kind.known(decided.label) if name not in labels] if decided.label else []
    if unknown:
        raise DataError(
            f"{decided.where} decides for {unknown[0]!r}, a label that the data does not have: "
            f"{', '.join(dataset.labels[:20])}. Is it about another model?"
        )


def _without_leaks(dataset: Dataset, merged: Merged) -> None:
    """Leave out test texts that resemble training texts, then training texts that resemble held-out ones."""
    test, train = merged.added["test"], merged.added["train"]
    seen = sketch(dataset.part("train")[0])
    merged.added["test"] = _unlike(test, seen, merged)
    held = [*dataset.part("validation")[0], *dataset.part("test")[0], *(text for text, _ in merged.added["test"])]
    merged.added["train"] = _unlike(train, sketch(held), merged)


def _unlike(texts: list[tuple[str, Decided]], seen: Any, merged: Merged) -> list[tuple[str, Decided]]:  # noqa: ANN401
    alike = {leak.place for leak in find_leaks(seen, [text for text, _ in texts]).found} if texts else set()
    merged.counts["like_a_text_of_another_part"] += len(alike)
    return [one for place, one in enumerate(texts) if place not in alike]


def _applied(dataset: Dataset, merged: Merged, repeat: int) -> pl.DataFrame:
    """Return the rows with labels replaced, dropped ones gone and new ones behind, and count them."""
    kind, column = dataset.kind, dataset.kind.column
    rows = dataset.frame.with_columns(name=pl.col("id").str.split("-").list.first())
    rows = rows.filter(~pl.col("name").is_in(list(merged.dropped)))
    cells = [merged.relabelled.get(name, kind.restored(cell)) for name, cell in rows.select("name", column).iter_rows()]
    before = [kind.restored(cell) for cell in rows[column].to_list()]
    merged.counts["labels_changed"] = sum(one != other for one, other in zip(before, cells, strict=True))
    rows = rows.with_columns(pl.Series(column, [kind.stored(cell) for cell in cells], dtype=kind.dtype))
    if PROBABILITIES in rows.columns:  # a person's word outranks the labelling functions'
        weak = pl.when(~pl.col("name").is_in(list(merged.relabelled))).then(PROBABILITIES)
        rows = rows.with_columns(weak.alias(PROBABILITIES))
    rows = rows.drop("name")
    for part, added in merged.added.items():
        merged.counts[f"joined_{part}"] = len(added)
    new = [_new_rows(dataset, part, added, repeat) for part, added in merged.added.items() if added]
    return pl.concat([rows, *new], how="diagonal")


def _new_rows(dataset: Dataset, part: Part, added: Sequence[tuple[str, Decided]], repeat: int) -> pl.DataFrame:
    kind, times = dataset.kind, repeat if part == "train" else 1
    found = [(text, decided, time) for text, decided in added for time in range(1, times + 1)]
    places = [_place(decided) for _, decided, _ in found]
    return pl.DataFrame(
        {
            "id": [text_id(text) + (f"-{time}" if time > 1 else "") for text, _, time in found],
            "text": [text for text, _, _ in found],
            kind.column: pl.Series([kind.stored(decided.label) for _, decided, _ in found], dtype=kind.dtype),
            "split": [part] * len(found),
            "source": [source for source, _ in places],
            "row": [row for _, row in places],
        },
        schema_overrides={"row": pl.Int64},
    )


def _place(decided: Decided) -> tuple[str, int]:
    """Return the file and line in which the decision was taken; `retrain` leaves them in the item."""
    found = _ROW.fullmatch(decided.item.where)
    return (found[1], int(found[2])) if found else (Path(decided.file).name, decided.line)


def _counted(dataset: Dataset, frame: pl.DataFrame, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with the rows as they are now in its counts."""
    kind = dataset.kind
    counts: dict[str, Counter[str]] = {part: Counter() for part in dataset.manifest["counts"]}
    for part, cell in frame.select("split", kind.column).iter_rows():
        counts[part].update(kind.present(kind.restored(cell)))
    names = sorted({name for found in counts.values() for name in found})
    return {
        **dataset.manifest,
        "rows": frame.height,
        "rows_by_part": {part: int((frame["split"] == part).sum()) for part in PARTS},
        "counts": {part: {name: found[name] for name in names} for part, found in counts.items()},
        "corrections": facts,
    }


_WORDS = {
    "labels_changed": "rows of the training part get another label",
    "dropped": "training texts are dropped",
    "joined_train": "texts join the training part",
    "joined_test": "texts, drawn at random, join the test part",
    "left_as_they_are": "are about validation or test texts, which stay as they are",
    "like_a_text_of_another_part": "are too like a text of another part and are left out",
    "of_no_use": "drop a text that the data does not have",
}


def _told(counts: Counter[str]) -> list[str]:
    return [f"{counts[name]:,} {words}" for name, words in _WORDS.items() if counts[name]]
