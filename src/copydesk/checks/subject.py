"""What the checks look at: a model, its data, and small trainings beside it; each is read or made once, when asked for.

What is missing is no error: a check that needs it is undecided, and says what to give.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import polars as pl

from copydesk.behaviour.load import Suite, load_suite, suite_of
from copydesk.behaviour.run import run_suite
from copydesk.bundle import Bundle
from copydesk.checks.settings import CheckSettings
from copydesk.data.corrections import with_corrections
from copydesk.data.dataset import Dataset, Part, is_dataset
from copydesk.data.lessons import with_lessons
from copydesk.data.prepare import dataset_for, prepare_table, read_raw
from copydesk.data.sources import RawTable
from copydesk.errors import Undecided
from copydesk.fitting import FITTERS, Fitted, Run
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, override
from copydesk.runtime.engine import Classifier
from copydesk.training import calibrated, task_of
from copydesk.types import BehaviourResult, Label

T = TypeVar("T")
_GIVE = "give the data it was trained on: --data PATH"
FEEDBACK = Path("serving") / "feedback.jsonl"
"""Where `copydesk serve` writes corrections unless told otherwise."""


@dataclass
class Subject:
    """A loaded bundle and what is known of it.

    `work` is the temporary folder of the check that runs; `folder` is where the team works, with git and studies.
    `data` replaces the recipe's source. `feedback` is a file of corrections from the server. `given` is a recipe that
    counts instead of the bundle's: its source, rules, behaviours, slices and gate.
    """

    classifier: Classifier
    data: str | None = None
    feedback: Path = FEEDBACK
    work: Path = Path()
    folder: Path = Path()
    settings: CheckSettings = CheckSettings()
    now: datetime = datetime.min.replace(tzinfo=UTC)
    clock: Callable[[], float] = time.perf_counter
    progress: Progress = Silent()
    given: Recipe | None = None

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.classifier.bundle

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe it is judged by: the one it was trained with, or the one that is given."""
        return self.given or self.classifier.recipe

    @cached_property
    def suite(self) -> Suite | None:
        """The behaviours of the recipe that is given, or those in the bundle; None where there are none."""
        if self.given is not None and self.given.behaviours is not None:
            return load_suite(self.given.behaviours, self.given)
        return suite_of(self.bundle)

    @cached_property
    def raw(self) -> RawTable:
        """The raw rows. Raises `Undecided` where there are none, or only a prepared Dataset."""
        if self.data is not None and is_dataset(Path(self.data)):
            raise Undecided(f"'{self.data}' is prepared; this is held against raw rows: --data FILE")
        if self.data is None and not self.recipe.source:
            raise Undecided(f"there is no data to look at; {_GIVE}")
        return read_raw(self.recipe, self.data)

    @cached_property
    def dataset(self) -> Dataset:
        """The prepared Dataset, whichever it is. Raises `Undecided` where there is none."""
        if self.data is not None and is_dataset(Path(self.data)):
            return dataset_for(self.recipe, Path(self.data))
        unruled = override(self.recipe, {"rules.on_violation": "warn"})  # a broken rule is the first check's to find
        prepared = prepare_table(unruled, self.raw)
        return with_corrections(with_lessons(prepared, self.recipe, Silent()), self.recipe, Silent())

    @cached_property
    def trained_on(self) -> Dataset:
        """The Dataset that the bundle was trained on; of another nobody knows which texts the model has seen."""
        found, wanted = self.dataset.content_hash(), self.bundle.manifest.get("data", "")
        if found != wanted:
            raise Undecided(
                f"this is not the Dataset that it was trained on ({found[:12]}, not {wanted[:12]}); {_GIVE}"
            )
        return self.dataset

    @property
    def held_out(self) -> tuple[list[str], list[Label]]:
        """The test part that training never saw."""
        return self.trained_on.part("test")

    def texts(self, count: int) -> list[str]:
        """Return up to so many texts of the data, spread over it, held-out ones first."""
        texts = [*self.dataset.part("test")[0], *self.dataset.part("validation")[0], *self.dataset.part("train")[0]]
        return spread(texts, count)

    def small_recipe(self, **settings: object) -> Recipe:
        """Return the recipe for a small training of the same kind of model, not exported; keys have `__` for dots.

        A cascade's second stage stands for it: a cascade needs more texts than a small training has.
        """
        kind = "encoder" if self.recipe.model.kind == "cascade" else self.recipe.model.kind
        given = {key.replace("__", "."): value for key, value in settings.items()}
        return override(self.recipe, {"model.kind": kind, "runtime.precision": "none", **given})

    def fitted(self, recipe: Recipe, dataset: Dataset) -> Fitted:
        """Train without writing anything."""
        return FITTERS[recipe.model.kind](recipe, dataset, task_of(recipe, dataset), Run(Silent()))

    def trained(self, recipe: Recipe, dataset: Dataset) -> Classifier:
        """Train and calibrate without writing anything."""
        fitted = self.fitted(recipe, dataset)
        return calibrated(recipe, dataset, task_of(recipe, dataset), fitted.model)

    @cached_property
    def behaviours(self) -> list[BehaviourResult]:
        """How the model does in the behaviours; none where there are none."""
        suite = self.suite
        if suite is None:
            return []
        try:
            texts, labels = self.held_out
        except Undecided:  # behaviours that need no real texts are asked all the same
            texts, labels = [], []
        return run_suite(suite, self.classifier, texts=texts, labels=labels)

    @cached_property
    def linear(self) -> Classifier:
        """The linear model of the same recipe, trained on all of the training part."""
        return self.trained(override(self.recipe, {"model.kind": "linear"}), self.trained_on)


def spread(values: Sequence[T], count: int) -> list[T]:
    """Return up to so many values in even steps, in their order."""
    if len(values) <= count:
        return list(values)
    return [values[place * len(values) // count] for place in range(count)]


def sample_of(dataset: Dataset, *, seed: int = 0, **most: int) -> Dataset:
    """Return the Dataset with at most so many rows of each part, drawn by chance, every label's first rows among them.

    `most` is by part; a part that is not named keeps its rows.
    """
    parts: list[Part] = ["train", "validation", "test"]
    kept = []
    for part in parts:
        rows = dataset.frame.filter(pl.col("split") == part)
        if len(rows) > most.get(part, len(rows)):
            rows = _some(rows, dataset.kind.column, most[part], seed)
        kept.append(rows)
    return Dataset(pl.concat(kept), dataset.manifest)


def _some(rows: pl.DataFrame, label: str, count: int, seed: int) -> pl.DataFrame:
    mixed = rows.with_row_index("_place").sample(fraction=1.0, shuffle=True, seed=seed)
    if mixed.schema[label] == pl.String:
        mixed = mixed.with_columns(_turn=pl.int_range(pl.len()).over(label)).sort("_turn", maintain_order=True)
    return mixed.head(count).sort("_place").select(rows.columns)
