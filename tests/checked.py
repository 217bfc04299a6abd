"""A small checked world: labelled texts, a trained bundle and the subject that the checks look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.bundle import Bundle
from copydesk.checks.outcome import Outcome
from copydesk.checks.run import execute
from copydesk.checks.subject import Subject
from copydesk.checks.table import CHECKS
from copydesk.recipe import Recipe, parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv

MADE = {
    "name": "toy",
    "model": {"kind": "linear"},
    "prepare": {"split": {"test": 0.3}},
    "rules": {
        "columns": {"text": {"missing": 0.01, "characters": [3, 500]}},
        "labels": ["sport", "money"],
        "shares": {"sport": [0.3, 0.7]},
        "rows": [100, 1_000],
    },
    "gate": {"floors": {"accuracy": 0.7}},
}


def noisy_rows(count: int = 240) -> list[tuple[str, str]]:
    """Return the toy texts, every twelfth with the other label: no model is right about all."""
    other = {"sport": "money", "money": "sport"}
    return [(text, label if place % 12 else other[label]) for place, (text, label) in enumerate(toy_rows(count))]


def recipe_of(**changes: Any) -> Recipe:  # noqa: ANN401 (recipe values)
    """Return the checked recipe, with other sections."""
    return parse_recipe({**MADE, **changes})


def trained(
    folder: Path, recipe: Recipe, rows: Sequence[Sequence[str]], header: Sequence[str] = ("text", "label")
) -> Path:
    """Train a bundle in a folder with its data beside it as `data.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = write_csv(folder / "data.csv", rows, header)
    train_bundle(recipe, data=data, out=folder / "bundle")
    return folder


def subject_in(folder: Path, work: Path, **changes: Any) -> Subject:  # noqa: ANN401 (a subject's fields)
    """Return the subject of a folder that `trained` filled."""
    work.mkdir(parents=True, exist_ok=True)
    given = {"data": str(folder / "data.csv"), "now": datetime.now(UTC) + timedelta(minutes=1), "work": work}
    return Subject(Classifier.load(folder / "bundle"), **{**given, **changes})


def outcome_of(check: str, subject: Subject) -> Outcome:
    """Run one check."""
    return execute(CHECKS[check], subject)


class Spoilt:
    """A model whose outputs are changed: a planted fault."""

    def __init__(self, model: Any, change: Callable[[Sequence[str], NDArray[np.float32]], Any]) -> None:  # noqa: ANN401
        self.kind, self._model, self._change = model.kind, model, change

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the changed outputs."""
        return np.asarray(self._change(texts, self._model.logits(texts)), np.float32)

    def save(self, folder: Path) -> None:
        """Write the model as it is."""
        self._model.save(folder)


def spoil(subject: Subject, change: Callable[[Sequence[str], NDArray[np.float32]], Any]) -> Subject:
    """Let the subject's model answer otherwise."""
    subject.classifier.model = Spoilt(subject.classifier.model, change)
    return subject


def with_manifest(subject: Subject, **changes: Any) -> Subject:  # noqa: ANN401 (a manifest's values)
    """Let the subject's bundle say something else of itself."""
    ours = subject.bundle
    subject.classifier._bundle = Bundle(ours.path, ours.settings, {**ours.manifest, **changes})
    return subject
