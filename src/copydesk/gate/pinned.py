"""The test texts that decide: the part that the candidate's own Dataset sets apart, or data that is given.

It does not know whether a model was trained on them (`measure.py` looks).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path

from copydesk.bundle import Bundle
from copydesk.data.dataset import Dataset, is_dataset
from copydesk.data.labelled import Labelled, read_labelled
from copydesk.data.prepare import dataset_for, prepare_dataset
from copydesk.errors import DataError
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe
from copydesk.types import Label


@dataclass(frozen=True)
class TestPart:
    """Labelled test texts, and the hash that tells whether the same ones have decided before.

    `pinned` tells that they are the test part of the very Dataset that the candidate was trained on.
    """

    __test__ = False  # it is not for pytest, whatever its name says

    labelled: Labelled
    hash: str
    pinned: bool


def read_test_part(
    bundle: Bundle, recipe: Recipe, data: str | None, known: Collection[str], progress: Progress
) -> TestPart:
    """Read the test texts of a candidate: from its recipe's source, prepared again, or from `data`.

    `data` may be a Dataset, of which the test part counts; the raw file that the candidate was trained on, which is
    prepared again; or another labelled file, of which every row counts. `known` are the labels of both models. Raises
    `DataError` if the source does not give the candidate's Dataset any more.
    """
    wanted = bundle.manifest.get("data", "")
    if data is None:
        dataset = prepare_dataset(recipe, progress=progress)
        if dataset.content_hash() != wanted:
            raise DataError(
                f"The source of recipe '{recipe.name}' gives another Dataset ({dataset.content_hash()[:12]}) than the "
                f"candidate was trained on ({wanted[:12]}), so which texts it was not trained on is not known. Give "
                "that Dataset, or labelled texts that neither model has seen: --data PATH"
            )
        return _part_of(dataset, pinned=True)
    if is_dataset(Path(data)):
        dataset = dataset_for(recipe, Path(data), progress=progress)
        return _part_of(dataset, pinned=dataset.content_hash() == wanted)
    again = _prepared(recipe, data)
    if again is not None and again.content_hash() == wanted:
        progress.say(f"'{data}' is what the candidate was trained on: only its test part counts")
        return _part_of(again, pinned=True)
    labelled = read_labelled(recipe, data, steps=bundle.settings.normalise, progress=progress, known=known)
    return TestPart(labelled, _hash(labelled), pinned=False)


def _part_of(dataset: Dataset, *, pinned: bool) -> TestPart:
    texts, labels = dataset.part("test")
    if not texts:
        raise DataError("The Dataset has no test part, so there is nothing to decide by. Give one: --data PATH")
    labelled = Labelled(texts, labels, dataset.weak_rows("test"), dataset.sources("test"))
    return TestPart(labelled, _hash(labelled), pinned=pinned)


def _prepared(recipe: Recipe, data: str) -> Dataset | None:
    """Return the Dataset that training would make of a raw file; None if it would make none."""
    try:
        return prepare_dataset(recipe, data, progress=Silent())
    except DataError:
        return None


def _hash(labelled: Labelled) -> str:
    """Return a SHA-256 of texts and labels, whatever their order."""
    rows = zip(labelled.texts, map(_plain, labelled.labels), strict=True)
    lines = sorted(json.dumps(row, ensure_ascii=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _plain(label: Label) -> object:
    """Return a label as JSON can hold it."""
    if isinstance(label, str):
        return label
    return [asdict(part) if is_dataclass(part) else part for part in label]
