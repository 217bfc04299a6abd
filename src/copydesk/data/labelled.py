"""Labelled texts for measuring a finished model: a raw file's every row, or a prepared Dataset's test part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from copydesk.data.clean import clean_rows
from copydesk.data.dataset import is_dataset
from copydesk.data.label_kinds import listed
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.prepare import dataset_for, read_raw
from copydesk.errors import DataError
from copydesk.progress import Progress
from copydesk.recipe import Recipe, override
from copydesk.types import Label

SOURCE = "source"
"""The column in which a labelled file may say where each text comes from."""


@dataclass(frozen=True)
class Labelled:
    """Normalised texts and their labels, of which so many are weak: from labelling functions, not from people.

    `sources` says where each text comes from: a raw file's column `source`, or else the name of the file.
    """

    texts: list[str]
    labels: list[Label]
    weak: int = 0
    sources: list[str] = field(default_factory=list)


def read_labelled(
    recipe: Recipe, data: str, *, steps: Sequence[str], progress: Progress, known: Collection[str] = ()
) -> Labelled:
    """Read the texts and labels; rows without either are left out and counted aloud.

    Nothing is deduplicated: this is the data as it is. `known` are the model's labels: where a text may have several,
    others are left out of its truth, and counted aloud. Raises `DataError` if nothing is left.
    """
    if is_dataset(Path(data)):
        dataset = dataset_for(recipe, Path(data))
        labelled = Labelled(*dataset.part("test"), dataset.weak_rows("test"), dataset.sources("test"))
        if not labelled.texts:
            raise DataError(f"The Dataset '{data}' has no test part.")
    else:
        labelled = _read_raw_rows(recipe, data, steps=steps, progress=progress, known=known)
    return _with_known_labels(labelled, recipe, data, known, progress) if known else labelled


def _read_raw_rows(
    recipe: Recipe, data: str, *, steps: Sequence[str], progress: Progress, known: Collection[str]
) -> Labelled:
    raw = read_raw(recipe, data, progress=progress)
    if recipe.aliases is not None and not Path(recipe.aliases).exists():
        progress.warn(f"The aliases file '{recipe.aliases}' is not on this machine: labels are taken as they stand.")
        recipe = recipe.model_copy(update={"aliases": None})
    if recipe.weak.gold is not None and recipe.weak.gold not in raw.frame.columns:
        recipe = override(recipe, {"weak.gold": None})
    found = read_labels(raw.frame, recipe, known=known)
    for line in found.said:
        progress.say(line)
    for line in found.warnings:
        progress.warn(line)
    rows, dropped = clean_rows(raw.frame, recipe.text, found.values, steps=steps, max_chars=recipe.prepare.max_chars)
    for reason, count in dropped.counts.items():
        progress.warn(f"{count:,} rows left out: {reason} ({', '.join(dropped.examples[reason][:3])})")
    if not rows:
        raise DataError(f"None of the {raw.frame.height:,} rows of '{data}' has both a text and a label.")
    weak = sum(found.trust[row.position] != "given" for row in rows)
    sources = raw.frame[SOURCE if SOURCE in raw.frame.columns else "_source"].to_list()
    named = [str(sources[row.position]) for row in rows]
    return Labelled([row.text for row in rows], [row.label for row in rows], weak, named)


def _with_known_labels(
    labelled: Labelled, recipe: Recipe, data: str, known: Collection[str], progress: Progress
) -> Labelled:
    kind, names = LABELS[recipe.task], set(known)
    unknown = Counter(name for label in labelled.labels for name in kind.known(label) if name not in names)
    if not unknown or not kind.partial:
        return labelled
    labels = [kind.without(label, unknown) for label in labelled.labels]
    kept = [(place, label) for place, label in enumerate(labels) if label is not None]
    progress.warn(
        f"The model does not know {len(unknown):,} labels ({listed(sorted(unknown))}): they are left out of "
        f"{unknown.total():,} places, and {len(labels) - len(kept):,} rows have no other label and are left out."
    )
    if not kept:
        raise DataError(f"No row of '{data}' has a label that the model knows: {', '.join(sorted(names)[:30])}.")
    texts = [labelled.texts[place] for place, _ in kept]
    sources = [labelled.sources[place] for place, _ in kept] if labelled.sources else []
    return Labelled(texts, [label for _, label in kept], min(labelled.weak, len(kept)), sources)
